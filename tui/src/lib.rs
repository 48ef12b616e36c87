//! The terminal client: screens over the same socket that the command `a2n` uses. This version has none
//! yet; `a2n` alone prints what runs and what is due instead.
