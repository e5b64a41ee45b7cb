//! What a program is composed of.
