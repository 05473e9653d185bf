//! `make install` and `make uninstall`.

