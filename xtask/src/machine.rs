//! The emulated machines, and the command line that starts each of them.

use std::path::Path;

/// One emulated machine.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The name users know it by.
    pub(crate) name: &'static str,
    /// The target its image is built for.
    pub(crate) triple: &'static str,
    /// The emulator's program.
    pub(crate) emulator: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// How many checks its image's conformance run passes and skips: the numbers that its last line but one says.
    pub(crate) checks: Checks,
    /// Whether the image must maintain caches.
    pub(crate) devices: Devices,
    /// What makes its devices blind to the caches, if anything does.
    pub(crate) monitor: Option<Monitor>,
    /// A device that does not reach all memory, if the emulator has it.
    pub(crate) edu: Option<Edu>,
    /// Arguments that do not depend on the run: the board, and the device by which the image sets the exit code.
    board: &'static [&'static str],
    /// The block device's model and its properties.
    disk: &'static str,
    words: Words,
}

/// The checks of a conformance run in which none fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checks {
    pub(crate) passed: usize,
    /// Checks that need what the machine does not have.
    pub(crate) skipped: usize,
}

/// The part of an image, one privilege level up, that keeps what devices see apart from what the image has cached.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// What the emulator needs for it beside `board`.
    arguments: &'static [&'static str],
    /// How many checks the conformance run has under it.
    pub(crate) checks: Checks,
    /// The steps of a transfer that the image can leave out, each of which must be noticed.
    pub(crate) steps: &'static [&'static str],
}

/// A run with QEMU's edu device, and with memory that it does not reach.
#[derive(Debug)]
pub(crate) struct Edu {
    /// What the emulator needs for it beside `board`.
    arguments: &'static [&'static str],
    /// How many address lines the device has.
    mask_bits: u32,
}

/// What a run has beside its disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    Nothing,
    Edu,
}

/// What a run of an image emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caches {
    /// None, as the emulator is: devices see every store at once.
    None,
    /// The monitor's, which evict and fill lines as this seed says.
    Shadowed { seed: u64 },
}

impl Caches {
    /// The monitor's if `machine` has one.
    pub(crate) fn of(machine: &Machine, seed: u64) -> Self {
        match machine.monitor {
            Some(_) => Self::Shadowed { seed },
            None => Self::None,
        }
    }
}

/// What devices see of what the caches hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Devices {
    /// All of it.
    Snoop,
    /// Nothing, as far as the image knows.
    DoNotSnoop,
}

/// The way by which words reach the image.
#[derive(Clone, Copy, Debug)]
enum Words {
    /// As the kernel's command line.
    Append,
    /// As the arguments of a semihosting program.
    Semihosting,
}

/// The disks of a run: what the image only reads, and what it may write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disks<'a> {
    pub(crate) source: &'a Path,
    pub(crate) scratch: &'a Path,
}

/// What every machine has: a serial port on standard output, and nothing else that could print or ask there.
const COMMON: [&str; 8] = [
    "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none",
];

/// The clock of the emulated machine is the number of its instructions, 8 ns each: the monitor's interrupts come at the
/// same instructions in every run, as far as no device is waited for.
const COUNTED_INSTRUCTIONS: [&str; 2] = ["-icount", "shift=3,sleep=off"];

/// The same, with the longest time for an instruction that there is: what the edu device does takes 100 ms. What it is told
/// with an address beyond its lines is to be heard of.
const EDU_IN_TIME: [&str; 2] = ["-icount", "shift=10,sleep=off"];
const EDU_SPEAKS: [&str; 2] = ["-d", "guest_errors"];

/// Of the machines `virt` with arm processors: memory from 1 GiB to beyond 2 GiB, and a host bridge that 32 bits reach.
const ARM_EDU: Edu = Edu {
    arguments: &[
        "-M",
        "highmem=off",
        "-m",
        "1026M",
        "-device",
        "edu,dma_mask=0x7fffffff",
    ],
    mask_bits: 31,
};

/// The same, and a privilege level above the image on an arm machine.
const VIRTUALIZED: [&str; 4] = [
    "-M",
    "virtualization=on",
    COUNTED_INSTRUCTIONS[0],
    COUNTED_INSTRUCTIONS[1],
];

/// Every machine.
pub(crate) const MACHINES: [Machine; 5] = [
    Machine {
        name: "aarch64-virt",
        triple: "aarch64-unknown-none",
        emulator: "qemu-system-aarch64",
        package: "qemu-system-arm",
        checks: Checks {
            passed: 79,
            skipped: 56,
        },
        devices: Devices::DoNotSnoop,
        monitor: Some(Monitor {
            arguments: &VIRTUALIZED,
            checks: Checks {
                passed: 69,
                skipped: 1,
            },
            steps: &["clean", "invalidate", "shared-lines"],
        }),
        edu: Some(ARM_EDU),
        // Legacy virtio is what this board gives unless told otherwise.
        board: &[
            "-M",
            "virt",
            "-cpu",
            "cortex-a72",
            "-m",
            "256M",
            "-global",
            "virtio-mmio.force-legacy=false",
        ],
        disk: "virtio-blk-device",
        words: Words::Semihosting,
    },
    Machine {
        name: "armv7-virt",
        triple: "armv7a-none-eabi",
        emulator: "qemu-system-arm",
        package: "qemu-system-arm",
        checks: Checks {
            passed: 79,
            skipped: 56,
        },
        devices: Devices::DoNotSnoop,
        monitor: Some(Monitor {
            arguments: &VIRTUALIZED,
            checks: Checks {
                passed: 69,
                skipped: 1,
            },
            steps: &["clean", "invalidate", "shared-lines"],
        }),
        edu: Some(ARM_EDU),
        board: &[
            "-M",
            "virt",
            "-cpu",
            "cortex-a15",
            "-m",
            "256M",
            "-global",
            "virtio-mmio.force-legacy=false",
        ],
        disk: "virtio-blk-device",
        words: Words::Semihosting,
    },
    Machine {
        name: "riscv64-virt",
        triple: "riscv64gc-unknown-none-elf",
        emulator: "qemu-system-riscv64",
        package: "qemu-system-misc",
        checks: Checks {
            passed: 80,
            skipped: 56,
        },
        devices: Devices::DoNotSnoop,
        monitor: Some(Monitor {
            arguments: &COUNTED_INSTRUCTIONS,
            checks: Checks {
                passed: 69,
                skipped: 1,
            },
            steps: &[
                "clean",
                "invalidate",
                "clean-and-invalidate",
                "shared-lines",
            ],
        }),
        edu: Some(Edu {
            // Memory from 2 GiB to beyond 4 GiB.
            arguments: &["-m", "2050M", "-device", "edu,dma_mask=0xffffffff"],
            mask_bits: 32,
        }),
        board: &[
            "-M",
            "virt",
            "-bios",
            "none",
            "-m",
            "256M",
            "-global",
            "virtio-mmio.force-legacy=false",
        ],
        disk: "virtio-blk-device",
        words: Words::Append,
    },
    Machine {
        name: "mips-malta",
        triple: "mipsel-unknown-none",
        emulator: "qemu-system-mipsel",
        package: "qemu-system-mips",
        checks: Checks {
            passed: 129,
            skipped: 6,
        },
        devices: Devices::DoNotSnoop,
        monitor: None,
        edu: None,
        board: &[
            "-M",
            "malta",
            "-m",
            "128M",
            "-vga",
            "none",
            "-semihosting",
            "-no-reboot",
        ],
        // A legacy device fixes its queue's size; 16 is what the driver uses.
        disk: "virtio-blk-pci,queue-size=16",
        words: Words::Append,
    },
    Machine {
        name: "x86-q35",
        triple: "x86_64-unknown-none",
        emulator: "qemu-system-x86_64",
        package: "qemu-system-x86",
        checks: Checks {
            passed: 191,
            skipped: 12,
        },
        devices: Devices::Snoop,
        monitor: None,
        edu: Some(Edu {
            // The device as it is, and memory beyond 256 MiB.
            arguments: &["-m", "512M", "-device", "edu"],
            mask_bits: 28,
        }),
        board: &[
            "-M",
            "q35",
            "-cpu",
            "max",
            "-m",
            "128M",
            "-vga",
            "none",
            "-no-reboot",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
        ],
        disk: "virtio-blk-pci",
        words: Words::Append,
    },
];

impl Machine {
    /// The emulator's arguments for one run.
    ///
    /// # Panics
    ///
    /// If there are to be caches and the machine has no monitor, or an edu device and its emulator has none.
    pub(crate) fn arguments(
        &self,
        image: &Path,
        words: &[String],
        caches: Caches,
        attached: Attached,
        disks: Disks<'_>,
    ) -> Vec<String> {
        let mut words = words.to_vec();
        let (for_edu, in_time, speaks) = match attached {
            Attached::Nothing => (&[][..], &[][..], &[][..]),
            Attached::Edu => {
                let edu = self.edu.as_ref().expect("the machine has an edu device");
                words.push(format!("mask-bits={}", edu.mask_bits));
                (edu.arguments, &EDU_IN_TIME[..], &EDU_SPEAKS[..])
            }
        };
        let for_monitor = match caches {
            Caches::None => in_time,
            Caches::Shadowed { seed } => {
                words.push(format!("seed={seed}"));
                let monitor = self.monitor.as_ref();
                monitor.expect("the machine has a monitor").arguments
            }
        };
        let mut arguments: Vec<String> = COMMON
            .iter()
            .chain(self.board)
            .chain(for_monitor)
            .chain(for_edu)
            .chain(speaks)
            .map(|&word| word.to_owned())
            .collect();
        arguments.extend(["-kernel".to_owned(), image.display().to_string()]);
        match self.words {
            Words::Append => arguments.extend(["-append".to_owned(), words.join(" ")]),
            Words::Semihosting => {
                let words: String = words
                    .iter()
                    .map(|word| format!(",arg={}", literal(word)))
                    .collect();
                arguments.extend([
                    "-semihosting-config".to_owned(),
                    format!("enable=on,target=native,arg=image{words}"),
                ]);
            }
        }
        // A flush is answered at once: the host reads the scratch disk from the same page cache, and a machine that waits for
        // its host's real disk might wait longer than it has patience.
        for (name, path, access) in [
            ("source", disks.source, ",readonly=on"),
            ("scratch", disks.scratch, ",cache=unsafe"),
        ] {
            let file = literal(&path.display().to_string());
            arguments.extend([
                "-drive".to_owned(),
                format!("if=none,format=raw,id={name},file={file}{access}"),
                "-device".to_owned(),
                format!("{},drive={name},serial={name}", self.disk),
            ]);
        }
        arguments
    }
}

/// A value in a list of options, where a comma would end it.
fn literal(value: &str) -> String {
    value.replace(',', ",,")
}

/// The machine of that name, or all of them.
pub(crate) fn named(name: &str) -> Option<Vec<&'static Machine>> {
    let chosen: Vec<&Machine> = MACHINES
        .iter()
        .filter(|machine| name == "all" || machine.name == name)
        .collect();
    (!chosen.is_empty()).then_some(chosen)
}

/// All names, for a message.
pub(crate) fn names() -> String {
    MACHINES.map(|machine| machine.name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks() -> Disks<'static> {
        Disks {
            source: Path::new("/a,b"),
            scratch: Path::new("/s"),
        }
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        let arguments = MACHINES[2].arguments(
            Path::new("/i"),
            &[],
            Caches::None,
            Attached::Nothing,
            disks(),
        );

        assert!(
            arguments.contains(&"if=none,format=raw,id=source,file=/a,,b,readonly=on".to_owned())
        );
        assert!(
            arguments.contains(&"if=none,format=raw,id=scratch,file=/s,cache=unsafe".to_owned())
        );
    }

    #[test]
    fn words_reach_each_machine_in_its_own_way() {
        let words = ["demo".to_owned(), "disk-bytes=5".to_owned()];

        let semihosted = MACHINES[0].arguments(
            Path::new("/i"),
            &words,
            Caches::None,
            Attached::Nothing,
            disks(),
        );
        let appended = MACHINES[3].arguments(
            Path::new("/i"),
            &words,
            Caches::None,
            Attached::Nothing,
            disks(),
        );

        assert!(
            semihosted.contains(
                &"enable=on,target=native,arg=image,arg=demo,arg=disk-bytes=5".to_owned()
            )
        );
        assert!(
            appended
                .windows(2)
                .any(|pair| pair == ["-append", "demo disk-bytes=5"])
        );
    }

    #[test]
    fn caches_need_a_monitor_and_a_seed() {
        let image = Path::new("/i");
        let without = MACHINES[2].arguments(image, &[], Caches::None, Attached::Nothing, disks());
        let with = MACHINES[2].arguments(
            image,
            &[],
            Caches::Shadowed { seed: 7 },
            Attached::Nothing,
            disks(),
        );

        assert!(!without.contains(&"-icount".to_owned()));
        assert!(with.contains(&"-icount".to_owned()) && with.contains(&"seed=7".to_owned()));
        let seeds = MACHINES.map(|machine| Caches::of(&machine, 7) == Caches::Shadowed { seed: 7 });
        assert_eq!(seeds, [true, true, true, false, false]);
    }

    #[test]
    fn an_edu_device_has_as_many_lines_as_the_image_is_told() {
        let disks = disks();
        for machine in MACHINES.iter().filter(|machine| machine.edu.is_some()) {
            let words = ["edu".to_owned()];
            let with = |caches| {
                let image = Path::new("/i");
                machine.arguments(image, &words, caches, Attached::Edu, disks)
            };
            let arguments = with(Caches::None).join(" ");

            let lines = |text: &str| {
                let digits = text.split_once("dma_mask=0x")?.1;
                let digits = digits.split(' ').next()?;
                Some(u64::from_str_radix(digits, 16).ok()?.count_ones())
            };
            // What the device has unless told otherwise.
            let lines = lines(&arguments).unwrap_or(28);
            assert!(arguments.contains(&format!("mask-bits={lines}")));
            assert!(arguments.contains("shift=10"));
            if machine.monitor.is_some() {
                let shadowed = with(Caches::Shadowed { seed: 7 }).join(" ");
                assert!(shadowed.contains("shift=3") && !shadowed.contains("shift=10"));
            }
        }
        let edus = MACHINES.map(|machine| machine.edu.is_some());
        assert_eq!(edus, [true, true, true, false, true]);
    }

    #[test]
    fn a_machine_is_found_by_its_name_and_all_by_all() {
        assert_eq!(named("all").map(|all| all.len()), Some(MACHINES.len()));
        assert_eq!(
            named("x86-q35").map(|one| one[0].triple),
            Some("x86_64-unknown-none")
        );
        assert!(named("x86").is_none());
    }

    #[test]
    fn every_machine_has_a_bare_target() {
        for machine in &MACHINES {
            let target = crate::target::named(machine.triple).expect("its triple is a target");
            assert_eq!(target.host, crate::target::Host::Bare);
        }
    }
}
