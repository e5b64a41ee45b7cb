//! `pcmflow info`: what is in the inputs.
