//! The targets every library is built and linted for, and which crates each of them has.

/// One compilation target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// What rustc calls it.
    pub(crate) triple: &'static str,
    /// Whether an operating system is below it.
    pub(crate) host: Host,
    /// The library crates that support it.
    pub(crate) crates: &'static [&'static str],
    /// Compiler flags, the same in every build of the target: other flags would be another `core`.
    pub(crate) flags: &'static str,
}

/// What a target's programs run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// Nothing: the real instructions, and `core` alone.
    Bare,
    /// An operating system that owns the caches: the recording dialect, which needs `std`.
    Hosted,
}

impl Host {
    /// The crates of the standard library that cargo must build.
    pub(crate) fn standard_library(self) -> &'static str {
        match self {
            Self::Bare => "core",
            Self::Hosted => "core,alloc,std,panic_abort",
        }
    }
}

/// The crates of the workspace that are libraries, whatever target they are for.
pub(crate) const LIBRARIES: [&str; 7] = [
    "dma-api",
    "arch-arm",
    "arch-riscv",
    "arch-mips",
    "arch-x86",
    "sim",
    "conformance",
];

/// The libraries that every target has.
pub(crate) const COMMON: [&str; 2] = ["dma-api", "conformance"];

/// Every target. The 32-bit and the big-endian ones are here as much for the library's arithmetic as for themselves.
///
/// Firmware's is the one 32-bit x86 target without an operating system: it compiles those instructions. For MIPS there
/// is a little-endian one of 32 bits and no other.
pub(crate) const TARGETS: [Target; 11] = [
    bare(
        "aarch64-unknown-none",
        &["dma-api", "conformance", "arch-arm"],
    ),
    bare("armv7a-none-eabi", &["dma-api", "conformance", "arch-arm"]),
    bare("thumbv7em-none-eabihf", &COMMON),
    bare(
        "riscv64gc-unknown-none-elf",
        &["dma-api", "conformance", "arch-riscv"],
    ),
    bare(
        "riscv32imac-unknown-none-elf",
        &["dma-api", "conformance", "arch-riscv"],
    ),
    bare(
        "mipsel-unknown-none",
        &["dma-api", "conformance", "arch-mips"],
    ),
    Target {
        // The default is a position-independent kernel at the top of the address space; the image is neither.
        flags: "-C relocation-model=static -C code-model=small",
        ..bare(
            "x86_64-unknown-none",
            &["dma-api", "conformance", "arch-x86"],
        )
    },
    bare("i686-unknown-uefi", &["dma-api", "conformance", "arch-x86"]),
    hosted(
        "mips-unknown-linux-gnu",
        &["dma-api", "conformance", "arch-mips"],
    ),
    hosted(
        "mips64el-unknown-linux-gnuabi64",
        &["dma-api", "conformance", "arch-mips"],
    ),
    hosted(
        "i686-unknown-linux-gnu",
        &["dma-api", "conformance", "arch-x86"],
    ),
];

const fn bare(triple: &'static str, crates: &'static [&'static str]) -> Target {
    Target {
        triple,
        host: Host::Bare,
        crates,
        flags: "",
    }
}

const fn hosted(triple: &'static str, crates: &'static [&'static str]) -> Target {
    Target {
        triple,
        host: Host::Hosted,
        crates,
        flags: "",
    }
}

impl Target {
    /// The name of the environment variable that sets `key` for this target in cargo's configuration.
    pub(crate) fn variable(&self, key: &str) -> String {
        format!(
            "CARGO_TARGET_{}_{key}",
            self.triple.replace(['-', '.'], "_").to_uppercase()
        )
    }
}

/// The target of that name.
pub(crate) fn named(triple: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.triple == triple)
}

/// All names, for a message.
pub(crate) fn triples() -> String {
    TARGETS.map(|target| target.triple).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_a_target_is_a_library_and_the_common_ones_are_everywhere() {
        for target in &TARGETS {
            assert!(
                target.crates.iter().all(|name| LIBRARIES.contains(name)),
                "{}",
                target.triple
            );
            assert!(
                COMMON.iter().all(|name| target.crates.contains(name)),
                "{}",
                target.triple
            );
        }
    }

    #[test]
    fn a_targets_variable_is_what_cargo_reads() {
        let target = named("x86_64-unknown-none").expect("it is in the table");

        assert_eq!(
            target.variable("LINKER"),
            "CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER"
        );
        assert_eq!(named("x86_64"), None);
    }
}
