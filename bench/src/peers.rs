//! The peers, a file each.

pub mod bitmap;

pub mod buddy_frames;

pub mod buddy_in_band;

pub mod buddy_slab;

pub mod cma;

pub mod offsets;

pub mod ours;

pub mod ours_through;

pub mod ranges;

pub mod talc;

pub mod tlsf;
