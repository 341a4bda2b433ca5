//! Child processes that end together with all they have started, when their time is over and when this program ends.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A process group of its own, and a shell that kills it unless it is told not to.
///
/// The shell waits at a pipe. Should this program be killed, or interrupted at the keyboard, which does not reach other
/// groups, the pipe closes and the group ends as it does at its time limit.
#[derive(Debug)]
pub(crate) struct Group {
    shell: Child,
}

impl Group {
    /// Starts `command` in a group of its own.
    pub(crate) fn start(command: &mut Command) -> io::Result<(Child, Self)> {
        let mut child = command.process_group(0).spawn()?;
        let shell = Command::new("sh")
            .args(["-c", r#"read -r _ || kill -s KILL -- "-$0""#])
            .arg(child.id().to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match shell {
            Ok(shell) => Ok((child, Self { shell })),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Lets whatever is left of the group live.
    pub(crate) fn release(mut self) -> io::Result<()> {
        if let Some(mut pipe) = self.shell.stdin.take() {
            pipe.write_all(b"\n")?;
        }
        self.shell.wait().map(drop)
    }

    /// Kills whatever is left of the group.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        drop(self.shell.stdin.take());
        self.shell.wait().map(drop)
    }
}
