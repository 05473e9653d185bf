//! Rules of user_namespaces(7) and setns(2) on facts that are made by hand.

use super::*;
