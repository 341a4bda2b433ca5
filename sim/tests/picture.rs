//! Pictures of drivers that are wrong: complete, well formed, and what is checked in is what is drawn.
#![allow(
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    reason = "a failed test panics"
)]

#[path = "../examples/trace/scenarios.rs"]
mod scenarios;

use std::{collections::HashSet, env, fs, path::Path, process::Command};

use dma_api::{DataDirection, Limits};
use roxmltree::{Document, Node, ParsingOptions};
use scenarios::SCENARIOS;
use sim::{
    Adversary, Config, Cpu, DmaEngine, Oracle, SimMachine, check,
    trial::{self, Outcome},
};

/// The picture and the page of a scenario, and what is wrong in it.
fn drawn(name: &str) -> (String, String, Option<Oracle>) {
    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
    match found.expect("there is a scenario of this name").run() {
        Ok(history) => (history.svg(), history.picture(), None),
        Err(failure) => {
            let oracle = Some(failure.violation.oracle);
            (failure.svg(), failure.picture(), oracle)
        }
    }
}

fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).expect("well-formed XML")
}

fn of_class<'a>(document: &'a Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    let has = |node: &Node<'_, '_>| {
        let classes = node.attribute("class").unwrap_or_default();
        classes.split(' ').any(|name| name == class)
    };
    document.descendants().filter(has).collect()
}

#[test]
fn each_driver_is_wrong_in_the_way_it_says() {
    let expected = [
        ("right", None),
        ("missing-invalidate", Some(Oracle::StaleAtHandBack)),
        ("missing-clean", Some(Oracle::DeviceSeesStale)),
        ("shared-line", Some(Oracle::DirtyOverDevice)),
        ("inner-before-outer", Some(Oracle::StaleAtHandBack)),
        ("no-barrier", Some(Oracle::MissingBarrier)),
        ("short-bounce", Some(Oracle::Leaked)),
    ];

    let found = SCENARIOS.map(|scenario| (scenario.name, drawn(scenario.name).2));

    assert_eq!(found, expected);
    let about: HashSet<_> = SCENARIOS.iter().map(|scenario| scenario.about).collect();
    assert_eq!(about.len(), SCENARIOS.len());
}

#[test]
fn what_is_wrong_is_ringed_once_and_what_is_right_is_not() {
    for scenario in SCENARIOS {
        let (svg, page, oracle) = drawn(scenario.name);

        let rings = usize::from(oracle.is_some());
        assert_eq!(of_class(&parsed(&svg), "sp-violation").len(), rings);
        assert_eq!(of_class(&parsed(&page), "sp-violation").len(), rings);
        assert_eq!(of_class(&parsed(&page), "wrong").len(), rings);
        let meaning = oracle.map_or("Nothing is wrong.", Oracle::meaning);
        let says = |text: &str| text.replace("&#39;", "'").contains(meaning);
        assert!(says(&svg), "{}", scenario.name);
    }
}

#[test]
fn pages_are_well_formed_and_need_nothing_else() {
    for scenario in SCENARIOS {
        let (svg, page, _) = drawn(scenario.name);
        for text in [&svg, &page] {
            let document = parsed(text);
            let names: HashSet<_> = document
                .descendants()
                .map(|node| node.tag_name().name())
                .collect();
            for outside in ["script", "link", "img", "image", "use", "iframe"] {
                assert!(!names.contains(outside), "{}: {outside}", scenario.name);
            }
            let styles = document
                .descendants()
                .filter(|node| node.has_tag_name("style"));
            for style in styles {
                let style = style.text().unwrap_or_default();
                assert!(!style.contains("url(") && !style.contains("@import"));
            }
            assert_eq!(text.matches("http").count(), 1, "the name space of SVG");
        }
        assert!(!svg.lines().any(str::is_empty), "it must fit into Markdown");
    }
}

#[test]
fn nothing_is_drawn_beside_the_sheet() {
    for scenario in SCENARIOS {
        let (svg, _, _) = drawn(scenario.name);
        let document = parsed(&svg);
        let number = |node: Node<'_, '_>, name| -> f64 {
            let text = node.attribute(name).unwrap_or("0");
            text.parse().expect("a number")
        };
        let root = document.root_element();
        let (width, height) = (number(root, "width"), number(root, "height"));
        for node in root.descendants().filter(|node| node.has_tag_name("rect")) {
            assert!(number(node, "x") + number(node, "width") <= width);
            assert!(number(node, "y") + number(node, "height") <= height);
        }
        for node in root.descendants().filter(|node| node.has_tag_name("text")) {
            let text = node.text().unwrap_or_default();
            let letters = f64::from(u32::try_from(text.chars().count()).expect("a few"));
            assert!(number(node, "x") + 5.0 * letters <= width, "{text}");
            assert!(number(node, "y") <= height, "{text}");
        }
    }
}

#[test]
fn the_picture_that_is_checked_in_is_the_one_that_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("doc/missing-invalidate.svg");

    let checked_in = fs::read_to_string(&path).expect("the picture is checked in");

    assert!(checked_in.len() < 60 << 10);
    assert!(
        checked_in == drawn("missing-invalidate").0,
        "{} is not what is drawn now: `cargo xtask trace --bless` writes it",
        path.display()
    );
}

/// Eight lines.
fn small() -> Config {
    Config {
        cached_len: 512,
        uncached_len: 0,
        ..Config::default()
    }
}

/// A ring of transfers, of which the last is wrong.
fn long(machine: &SimMachine) -> Outcome {
    const LAST: u8 = 199;
    let cpu = Cpu::new(machine);
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, machine.config().snooping);
    for round in 0..=LAST {
        cpu.own(0, 256);
        cpu.store(0, &[round; 256]);
        cpu.done(0, 256);
        cpu.clean(0, 256);
        cpu.before_doorbell();
        cpu.lend(0, 256, DataDirection::FromDevice);
        engine.write(cpu.dma(0), &[!round; 256])?;
        cpu.after_completion();
        if round < LAST {
            cpu.invalidate(0, 256);
        }
        cpu.take_back(0, 256);
    }
    Ok(())
}

#[test]
fn of_a_long_history_only_the_end_is_drawn() {
    for adversary in [Adversary::Lazy, Adversary::Eager, Adversary::seeded(1)] {
        let failure = trial::run(&small(), &adversary, long).expect_err("the last round is wrong");
        assert!(failure.history.entries().len() > 2000);

        let page = failure.picture();

        assert!(page.len() < 1 << 20, "{} bytes", page.len());
        let document = parsed(&page);
        let table = document
            .descendants()
            .filter(|node| node.has_tag_name("tr"));
        assert_eq!(table.count(), 1001, "the heading and the last entries");
        assert_eq!(of_class(&document, "sp-violation").len(), 1);
        let titles = document.descendants().filter_map(|node| {
            let is_title = node.has_tag_name("title");
            is_title.then(|| node.text().unwrap_or_default())
        });
        assert!(titles.clone().any(|title| title.ends_with("are left out")));
        assert!(titles.clone().any(|title| title.starts_with("step 23")));
        assert!(!titles.clone().any(|title| title.starts_with("step 1:")));
    }
}

#[test]
fn what_was_not_recorded_is_a_page_all_the_same() {
    let nothing = SimMachine::new(Config::default()).expect("a machine");
    let unrecorded = Config {
        records: false,
        ..small()
    };
    let failure = trial::run(&unrecorded, &Adversary::Lazy, long).expect_err("it is wrong");

    for page in [nothing.history().picture(), failure.picture()] {
        assert_eq!(of_class(&parsed(&page), "sp-violation").len(), 0);
    }
    assert!(
        failure
            .picture()
            .contains(Oracle::StaleAtHandBack.meaning())
    );
}

#[test]
fn a_test_that_fails_by_itself_is_ringed_at_its_last_step() {
    let says = "left: [1, 2, 3]\nright: <&\"'>".repeat(100);
    let driver = |machine: &SimMachine| -> Outcome {
        let cpu = Cpu::new(machine);
        cpu.own(0, 64);
        cpu.store(0, &[1; 64]);
        Err(says.as_str().into())
    };
    let failure = trial::run(&small(), &Adversary::Lazy, driver).expect_err("it says so");

    let page = failure.picture();

    let document = parsed(&page);
    assert_eq!(of_class(&document, "sp-violation").len(), 1);
    assert_eq!(of_class(&document, "wrong").len(), 0);
    let texts: Vec<_> = document
        .descendants()
        .filter_map(|node| node.text())
        .collect();
    assert!(texts.iter().any(|text| text.contains("right: <&\"'>")));
    // What is wrong, the beginning of what the test says, and what to do.
    let message = of_class(&document, "sp-message");
    assert!(message.len() <= 8, "{} lines", message.len());
}

#[test]
fn a_page_is_written_to_a_file_and_one_that_cannot_be_is_an_error() {
    let failure = trial::run(&small(), &Adversary::Lazy, long).expect_err("it is wrong");
    let folder = env::temp_dir().join(format!("sim-picture-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("failure.html");

    failure.write_picture(&path).expect("it can be written");

    assert_eq!(fs::read_to_string(&path).ok(), Some(failure.picture()));
    assert!(failure.write_picture(&folder).is_err());
    fs::remove_dir_all(&folder).expect("it is there");
}

/// The variable that tells this program that it was started by the test below.
const AGAIN: &str = "SIM_PICTURE_AGAIN";

#[test]
fn a_failing_check_writes_the_picture_it_is_asked_for_or_says_how_to_get_one() {
    if env::var_os(AGAIN).is_some() {
        return check(&small(), long);
    }
    let path = env::temp_dir().join(format!("sim-check-{}.html", std::process::id()));
    let fails = |picture: Option<&Path>| {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command
            .args([
                "--exact",
                "a_failing_check_writes_the_picture_it_is_asked_for_or_says_how_to_get_one",
            ])
            .env(AGAIN, "1")
            .env_remove("SIM_PICTURE");
        if let Some(path) = picture {
            command.env("SIM_PICTURE", path);
        }
        let output = command.output().expect("it can be run");
        assert!(!output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };

    let said = fails(None);
    assert!(
        said.contains("for a picture of this, set SIM_PICTURE"),
        "{said}"
    );
    assert!(!path.exists());

    let said = fails(Some(&path));
    let place = format!("a picture of this is in {}", path.display());
    assert!(said.contains(&place), "{said}");
    let page = fs::read_to_string(&path).expect("it was written");
    assert_eq!(of_class(&parsed(&page), "sp-violation").len(), 1);
    fs::remove_file(&path).expect("it is there");

    let said = fails(Some(Path::new("/no/such/folder/picture.html")));
    assert!(
        said.contains("no picture of this is in /no/such/folder"),
        "{said}"
    );
}
