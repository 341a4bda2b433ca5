//! Small objects of one length: what is measured, and the peers, a file each.

pub mod churn;

pub mod fixed;

pub mod heaps;

pub mod slabs;

pub mod stacks;

pub mod roster;

pub mod run;
