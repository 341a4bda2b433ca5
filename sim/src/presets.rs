//! The machines of the field, as far as their caches and their devices' view of them go.

use dma_api::Snooping;

use crate::config::{Config, Invalidate, Maintained, Outer};

/// Every preset.
#[must_use]
pub fn all() -> [Config; 12] {
    [
        aarch64(),
        aarch64_a53(),
        armv7_pl310(),
        cortex_m7(),
        riscv_zicbom(),
        riscv_sifive(),
        mips_in_order(),
        mips_aliasing(),
        x86_snooped(),
        x86_not_snooped(),
        uncached_alias(),
        nightmare(),
    ]
}

/// AArch64, two cores: maintenance by address to the point of coherency, broadcast; CTR_EL0 with a write-back granule
/// (CWG) larger than the smallest line (DminLine).
#[must_use]
pub fn aarch64() -> Config {
    Config {
        name: "AArch64, CWG above DminLine",
        line: 64,
        granule: 64,
        outer: Some(Outer {
            line: 64,
            granule: 128,
            maintained: Maintained::WithTheInner,
        }),
        cores: 2,
        unit: 128,
        ..Config::default()
    }
}

/// A Cortex-A53 with erratum 824069 whose cleans are promoted: what the simulated erratum can do, and the machine's own
/// answer to it ([`Config::invalidate`] and cleans both execute as clean and invalidate).
#[must_use]
pub fn aarch64_a53() -> Config {
    Config {
        name: "Cortex-A53, cleans promoted",
        outer: Some(Outer {
            line: 64,
            granule: 64,
            maintained: Maintained::WithTheInner,
        }),
        rogue_dirty: true,
        promotes_cleans: true,
        ..Config::default()
    }
}

/// Armv7-A, two cores, with a PL310 behind them: 32-byte lines, the outer cache maintained by itself and by physical
/// address, without order against the cores' accesses.
#[must_use]
pub fn armv7_pl310() -> Config {
    Config {
        name: "Armv7-A with PL310",
        line: 32,
        granule: 32,
        outer: Some(Outer {
            line: 32,
            granule: 32,
            maintained: Maintained::ByItself,
        }),
        cores: 2,
        ordered_by_address: false,
        ..Config::default()
    }
}

/// Cortex-M7: one core, one level, 32-byte lines.
#[must_use]
pub fn cortex_m7() -> Config {
    Config {
        name: "Cortex-M7",
        line: 32,
        granule: 32,
        ..Config::default()
    }
}

/// RISC-V with Zicbom: two harts, two levels, one block size.
#[must_use]
pub fn riscv_zicbom() -> Config {
    Config {
        name: "RISC-V with Zicbom",
        outer: Some(Outer {
            line: 64,
            granule: 64,
            maintained: Maintained::WithTheInner,
        }),
        cores: 2,
        ..Config::default()
    }
}

/// RISC-V with a SiFive composable cache: its controller cleans and invalidates, and has nothing else.
#[must_use]
pub fn riscv_sifive() -> Config {
    Config {
        name: "RISC-V with a SiFive cache",
        invalidate: Invalidate::WritesBackToo,
        ordered_by_address: false,
        promotes_cleans: true,
        ..riscv_zicbom()
    }
}

/// MIPS that fills lines on access only (24K, 34K, 74K), with a secondary cache of longer lines maintained by itself.
#[must_use]
pub fn mips_in_order() -> Config {
    Config {
        name: "MIPS without speculation, with L2",
        line: 32,
        granule: 32,
        outer: Some(Outer {
            line: 64,
            granule: 64,
            maintained: Maintained::ByItself,
        }),
        fills_speculatively: false,
        ..Config::default()
    }
}

/// MIPS with a primary cache that is indexed by virtual address and larger than a page for each way.
#[must_use]
pub fn mips_aliasing() -> Config {
    Config {
        name: "MIPS with an aliasing primary cache",
        line: 32,
        granule: 32,
        colours: 2,
        ..Config::default()
    }
}

/// x86: every device snoops.
#[must_use]
pub fn x86_snooped() -> Config {
    Config {
        name: "x86, snooped",
        cores: 2,
        snooping: Snooping::Snoops,
        invalidate: Invalidate::WritesBackToo,
        ..Config::default()
    }
}

/// x86 and a device that does not snoop: CLFLUSH and its kin are all there is.
#[must_use]
pub fn x86_not_snooped() -> Config {
    Config {
        name: "x86, not snooped",
        cores: 2,
        invalidate: Invalidate::WritesBackToo,
        ..Config::default()
    }
}

/// Memory that has a second, uncached mapping, from which coherent memory comes: KSEG1, or an alias window of a SoC.
#[must_use]
pub fn uncached_alias() -> Config {
    Config {
        name: "an uncached alias",
        uncached_alias: true,
        uncached_len: 0,
        ..Config::default()
    }
}

/// All of it at once: small lines in large granules, two levels maintained apart, three cores, two colours, no order by
/// address, an uncached alias.
#[must_use]
pub fn nightmare() -> Config {
    Config {
        name: "nightmare",
        line: 16,
        granule: 64,
        outer: Some(Outer {
            line: 32,
            granule: 256,
            maintained: Maintained::ByItself,
        }),
        cores: 3,
        colours: 2,
        ordered_by_address: false,
        store_buffer: 3,
        uncached_alias: true,
        uncached_len: 0,
        unit: 256,
        ..Config::default()
    }
}
