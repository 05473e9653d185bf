//! nsinfo: from a directory that looks like /proc, and on the live kernel.
