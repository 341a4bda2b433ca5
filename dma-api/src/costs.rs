//! What a machine's work costs, as its author has measured it.

/// What a machine says its work costs, in units of its own choice that are the same for all: picoseconds, say.
///
/// It decides between ways that are all right; a machine that says nothing has the fewest bytes copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Copying one byte.
    pub copy_byte: u32,
    /// One operation on one cache line.
    pub maintain_line: u32,
    /// Waiting once for the completion of all that was issued.
    pub complete: u32,
}
