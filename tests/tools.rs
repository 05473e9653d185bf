//! The parts of the tools that look at no machine, for the tests that ask them what is never printed.

#[path = "../bins/nsinfo"]
pub(crate) mod nsinfo {
    pub(crate) mod cli;
    pub(crate) mod last;
    pub(crate) mod page;
    pub(crate) mod sections;
    pub(crate) mod subject;
    pub(crate) mod versus;
    pub(crate) mod view;
    pub(crate) mod world;
}
#[path = "../bins/rcgexec"]
pub(crate) mod rcgexec {
    pub(crate) mod cli;
    pub(crate) mod report;
}
#[path = "../bins/rlsns"]
pub(crate) mod rlsns {
    pub(crate) mod cli;
    pub(crate) mod columns;
    pub(crate) mod filter;
    pub(crate) mod holders;
    pub(crate) mod picture;
    pub(crate) mod tree;
}
#[path = "../bins/rnsenter"]
pub(crate) mod rnsenter {
    pub(crate) mod cli;
}
#[path = "../bins/runshare"]
pub(crate) mod runshare {
    pub(crate) mod cli;
}
