//! The environment that the program gets.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Result};
use crate::sys;

/// Ours, or of ours only what is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The names of the variables that are kept, if not all are.
    kept: Option<Vec<OsString>>,
}

impl Environment {
    /// Our own.
    pub fn ours() -> Environment {
        Environment::default()
    }

    /// Only variables with these names, as far as there are any.
    pub fn only(names: Vec<OsString>) -> Environment {
        Environment { kept: Some(names) }
    }

    /// Names with commas between them, for [`Environment::only`].
    pub fn parse_names(list: &OsStr) -> Result<Vec<OsString>> {
        let name = |name: &[u8]| match name {
            [] => Err(Error::refused([b"a name is missing among variables: ", list.as_bytes()].concat())),
            _ if name.iter().any(|b| b"=\0".contains(b)) => {
                Err(Error::refused([b"this is no name of a variable: ", name].concat()))
            }
            _ => Ok(OsStr::from_bytes(name).to_os_string()),
        };
        list.as_bytes().split(|&b| b == b',').map(name).collect()
    }

    /// Is it changed at all?
    pub fn is_ours(&self) -> bool {
        self.kept.is_none()
    }

    /// The names that are kept; none where all are.
    pub fn names(&self) -> Option<&[OsString]> {
        self.kept.as_deref()
    }

    /// A variable that the program will have.
    pub(super) fn get(&self, name: &str) -> Option<OsString> {
        let kept = self.kept.as_ref().is_none_or(|kept| kept.iter().any(|kept| kept == name));
        std::env::var_os(name).filter(|_| kept)
    }

    /// Makes it so, also for whatever we do ourselves from now on.
    pub(super) fn enter(&self) -> Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let values: Vec<_> = kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
        sys::clear_environment().map_err(|e| Error::sys("clearenv", "", e))?;
        for (name, value) in values {
            sys::set_variable(name, &value).map_err(|e| Error::sys("setenv", name.as_bytes(), e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_commas() {
        let names = |list: &str| Environment::parse_names(OsStr::new(list)).map_err(|e| e.to_string());
        assert_eq!(names("A,B_C"), Ok(vec!["A".into(), "B_C".into()]));
        assert_eq!(names("A,,B"), Err("a name is missing among variables: A,,B".into()));
        assert_eq!(names("A=1"), Err("this is no name of a variable: A=1".into()));
    }
}
