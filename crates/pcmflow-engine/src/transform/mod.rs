//! Transforms: sample formats, layouts, channel maps, rates, block sizes.
