//! Scripts: files that begin with `#!` (execve(2), "Interpreter scripts").

use alloc::vec::Vec;

use super::error::ExecError;

/// Bytes of a file that are looked at (`BINPRM_BUF_SIZE`).
pub const HEAD: usize = 256;

/// Scripts that may name each other in a row; one more is ELOOP (`exec_binprm()` in
/// `fs/exec.c`).
pub const DEPTH_MAX: usize = 5;

/// The first line of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Path of the interpreter.
    pub interpreter: Vec<u8>,
    /// Its one argument: all that follows on the line.
    pub argument: Option<Vec<u8>>,
}

impl Script {
    /// Reads the first line from a file's first bytes, at most [`HEAD`]; `None` if it is no
    /// script. Follows `load_script()` in `fs/binfmt_script.c`.
    ///
    /// # Errors
    /// [`ExecError::BadScript`] when no interpreter is named or its name may be cut off.
    pub fn parse(head: &[u8]) -> Result<Option<Self>, ExecError> {
        let head = &head[..head.len().min(HEAD)];
        let Some(rest) = head.strip_prefix(b"#!") else { return Ok(None) };
        let whole_file = head.len() < HEAD;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = trim(&rest[..end.unwrap_or(rest.len())]);
        let name_len = line.iter().position(|byte| is_blank(*byte) || *byte == 0);
        let may_be_cut = end.is_none() && !whole_file && name_len.is_none();
        let (name, rest) = line.split_at(name_len.unwrap_or(line.len()));
        if name.is_empty() || may_be_cut {
            return Err(ExecError::BadScript);
        }
        let argument = match rest.first() {
            Some(byte) if is_blank(*byte) => up_to_nul(trim(rest)),
            _ => &[],
        };
        Ok(Some(Self {
            interpreter: name.to_vec(),
            argument: (!argument.is_empty()).then(|| argument.to_vec()),
        }))
    }

    /// The arguments the interpreter gets: itself, its argument, the script's path, and what was
    /// given to the script.
    pub fn arguments(&self, path: &[u8], argv: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut arguments = alloc::vec![self.interpreter.clone()];
        arguments.extend(self.argument.clone());
        arguments.push(path.to_vec());
        arguments.extend(argv.iter().skip(1).cloned());
        arguments
    }
}

const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(line: &[u8]) -> &[u8] {
    let Some(first) = line.iter().position(|byte| !is_blank(*byte)) else { return &[] };
    let last = line.iter().rposition(|byte| !is_blank(*byte)).unwrap_or(first);
    &line[first..=last]
}

fn up_to_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let script = Script::parse(head).unwrap()?;
        Some((script.interpreter, script.argument))
    }

    #[test]
    fn the_line_is_a_name_and_at_most_one_argument() {
        let line = |interpreter: &[u8], argument: Option<&[u8]>| {
            Some((interpreter.to_vec(), argument.map(<[u8]>::to_vec)))
        };
        assert_eq!(parsed(b"\x7fELF"), None);
        assert_eq!(parsed(b"#!/bin/sh\nexit"), line(b"/bin/sh", None));
        assert_eq!(parsed(b"#!/bin/sh"), line(b"/bin/sh", None));
        assert_eq!(parsed(b"#! \t/bin/sh -e  -x \t\n"), line(b"/bin/sh", Some(b"-e  -x")));
        assert_eq!(parsed(b"#!/bin/env python\0junk\n"), line(b"/bin/env", Some(b"python")));
        assert_eq!(parsed(b"#!/bin/sh\0 x\n"), line(b"/bin/sh", None));
    }

    #[test]
    fn lines_without_a_whole_name_are_refused() {
        for head in [&b"#!"[..], b"#!\n", b"#!  \t\n/bin/sh", b"#!\0/bin/sh\n"] {
            assert_eq!(Script::parse(head), Err(ExecError::BadScript), "{head:?}");
        }
        let mut long = b"#!/".to_vec();
        long.resize(400, b'a');
        assert_eq!(Script::parse(&long), Err(ExecError::BadScript));
        long[100] = b' ';
        let script = Script::parse(&long).unwrap().unwrap();
        assert_eq!(script.argument.unwrap().len(), HEAD - 101, "an argument may be cut off");
    }

    #[test]
    fn arguments_follow_the_path() {
        let script = Script { interpreter: b"/bin/sh".to_vec(), argument: Some(b"-e".to_vec()) };
        let argv = [b"x".to_vec(), b"1".to_vec()];
        let joined = script.arguments(b"./x.sh", &argv).join(&b' ');
        assert_eq!(joined, b"/bin/sh -e ./x.sh 1");
    }
}
