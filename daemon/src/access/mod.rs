//! Who asks, what they may, what is written down.
