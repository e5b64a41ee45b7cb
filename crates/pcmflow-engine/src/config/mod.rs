//! The one typed configuration: validated, layered, changed at run time.
