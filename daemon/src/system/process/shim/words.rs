//! What the daemon and the shim say to each other over the socket between them: one order, then
//! single bytes one way and reports of a fixed size the other.

use std::io::{self, Read};

/// Both sides come from one build; a daemon that is replaced while it runs finds a newer shim.
const VERSION: u8 = 1;
/// No order is larger: the kernel takes less than this for arguments and environment.
const ORDER_BYTES: u32 = 64 << 20;

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::system::process) struct Launch {
    /// Program and arguments.
    pub(in crate::system::process) argv: Vec<Vec<u8>>,
    /// The whole environment, each `NAME=value`.
    pub(in crate::system::process) env: Vec<Vec<u8>>,
    /// Where it starts.
    pub(in crate::system::process) cwd: Vec<u8>,
    /// Milliseconds between TERM and KILL.
    pub(in crate::system::process) grace_ms: u64,
    /// How many files it may have open at once, softly; 0 for what the shim has.
    pub(in crate::system::process) descriptors: u64,
}

impl Launch {
    /// The order as bytes. A descriptor for standard input may go with its first byte.
    pub(in crate::system::process) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.grace_ms.to_le_bytes());
        body.extend(self.descriptors.to_le_bytes());
        for list in [&self.argv, &self.env, &vec![self.cwd.clone()]] {
            body.extend(length(list.len()));
            for piece in list {
                body.extend(length(piece.len()));
                body.extend(piece);
            }
        }
        let mut bytes = vec![VERSION];
        bytes.extend(length(body.len()));
        bytes.extend(body);
        bytes
    }

    /// Reads what [`Launch::encode`] wrote; `version` is its first byte, read before.
    pub(super) fn read(version: u8, from: &mut impl Read) -> io::Result<Self> {
        if version != VERSION {
            return Err(wrong("an order of another version"));
        }
        let len = read_length(from)?;
        if len > ORDER_BYTES {
            return Err(wrong("an order that is too long"));
        }
        let mut body = vec![0; len as usize];
        from.read_exact(&mut body)?;
        let mut rest = &body[..];
        let (mut grace, mut descriptors) = ([0; 8], [0; 8]);
        rest.read_exact(&mut grace)?;
        rest.read_exact(&mut descriptors)?;
        let argv = read_list(&mut rest)?;
        let env = read_list(&mut rest)?;
        let cwd = read_list(&mut rest)?.pop().ok_or_else(|| wrong("an order without a folder"))?;
        let (grace_ms, descriptors) = (u64::from_le_bytes(grace), u64::from_le_bytes(descriptors));
        Ok(Self { argv, env, cwd, grace_ms, descriptors })
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn read_length(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_list(from: &mut &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    for _ in 0..read_length(from)? {
        let len = read_length(from)? as usize;
        let (piece, rest) = from.split_at_checked(len).ok_or_else(|| wrong("a short order"))?;
        list.push(piece.to_vec());
        *from = rest;
    }
    Ok(list)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// TERM for all, KILL after the grace.
pub(in crate::system::process) const STOP: u8 = b'T';
/// The leader has ended and was heard: what it left behind is to end too.
pub(in crate::system::process) const CLEAN: u8 = b'C';

/// Which part of a start failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::system::process) enum Stage {
    /// Entering the folder.
    Folder,
    /// Everything else, executing the program above all.
    Program,
}

/// What the shim tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::system::process) enum Report {
    /// The program runs.
    Started,
    /// It does not, and nothing ran.
    NotStarted {
        /// Where it went wrong.
        stage: Stage,
        /// What the kernel said.
        errno: i32,
    },
    /// The leader has ended.
    Ended {
        /// As `wait` tells it.
        status: i32,
        /// Processor time of it and the children it waited for, in microseconds.
        cpu_us: u64,
        /// Most memory that it or one such child held, in KiB.
        peak_kib: u64,
    },
    /// Nothing of the step is left. The last report.
    Over {
        /// Whether processes of the step outlived the leader.
        left_behind: bool,
        /// Whether some could not be killed (they hang in the kernel).
        immortal: bool,
    },
}

/// The size of every report.
pub(in crate::system::process) const REPORT_BYTES: usize = 24;

impl Report {
    pub(super) fn encode(self) -> [u8; REPORT_BYTES] {
        let (kind, flags, number, a, b) = match self {
            Self::Started => (0, 0, 0, 0, 0),
            Self::NotStarted { stage, errno } => (1, u8::from(stage == Stage::Folder), errno, 0, 0),
            Self::Ended { status, cpu_us, peak_kib } => (2, 0, status, cpu_us, peak_kib),
            Self::Over { left_behind, immortal } => {
                (3, u8::from(left_behind) | u8::from(immortal) << 1, 0, 0, 0)
            }
        };
        let mut bytes = [0; REPORT_BYTES];
        bytes[0] = kind;
        bytes[1] = flags;
        bytes[4..8].copy_from_slice(&i32::to_le_bytes(number));
        bytes[8..16].copy_from_slice(&u64::to_le_bytes(a));
        bytes[16..].copy_from_slice(&u64::to_le_bytes(b));
        bytes
    }

    /// None where the bytes are no report.
    pub(in crate::system::process) fn decode(bytes: [u8; REPORT_BYTES]) -> Option<Self> {
        let number = i32::from_le_bytes(bytes[4..8].try_into().ok()?);
        let a = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
        let b = u64::from_le_bytes(bytes[16..].try_into().ok()?);
        let flag = |bit: u8| bytes[1] & bit != 0;
        Some(match bytes[0] {
            0 => Self::Started,
            1 => Self::NotStarted {
                stage: if flag(1) { Stage::Folder } else { Stage::Program },
                errno: number,
            },
            2 => Self::Ended { status: number, cpu_us: a, peak_kib: b },
            3 => Self::Over { left_behind: flag(1), immortal: flag(2) },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let launch = Launch {
            argv: vec![b"sh".to_vec(), b"-c".to_vec(), b"echo \xff\n".to_vec(), Vec::new()],
            env: vec![b"A=b c".to_vec()],
            cwd: b"/".to_vec(),
            grace_ms: 10_000,
            descriptors: 1024,
        };
        let bytes = launch.encode();
        assert_eq!(Launch::read(bytes[0], &mut &bytes[1..]).expect("readable"), launch);
        for end in 1..bytes.len() {
            assert!(Launch::read(bytes[0], &mut &bytes[1..end]).is_err(), "cut at {end}");
        }
        assert!(Launch::read(9, &mut &bytes[1..]).is_err());
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        for report in [
            Report::Started,
            Report::NotStarted { stage: Stage::Folder, errno: 13 },
            Report::NotStarted { stage: Stage::Program, errno: 2 },
            Report::Ended { status: -9, cpu_us: u64::MAX, peak_kib: 7 },
            Report::Over { left_behind: true, immortal: false },
            Report::Over { left_behind: false, immortal: true },
        ] {
            assert_eq!(Report::decode(report.encode()), Some(report));
        }
        assert_eq!(Report::decode([9; REPORT_BYTES]), None);
    }
}
