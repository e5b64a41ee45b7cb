//! The words of the console, and their answers as text and as JSON.
