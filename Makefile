# make check | vm | vm-all | containers | faults | fuzz | storm | kills | bench | coverage | docs | deny | build | packages | deb | rpm | tarball | install | uninstall

PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions
DESTDIR  ?=
# Where the built tools lie; install builds them if they are not there.
BINARIES ?= target/release

TOOLS = rcgexec rlsns rnsenter runshare nsinfo
MAN1  = rcgexec.1 rnsenter.1 runshare.1 nsinfo.1
MAN7  = nskit.7
MAN8  = rlsns.8
# original=ours: links for those who want to try ours in the place of the originals, by PATH=LIBDIR/nskit/drop-in:$PATH.
DROPINS = cgexec=rcgexec lsns=rlsns nsenter=rnsenter unshare=runshare

ROOT  = $(DESTDIR)$(PREFIX)
BIN   = $(ROOT)/bin
SHARE = $(ROOT)/share
BASH  = $(SHARE)/bash-completion/completions
ZSH   = $(DESTDIR)$(ZSHDIR)
FISH  = $(SHARE)/fish/vendor_completions.d
DROPIN = $(DESTDIR)$(LIBDIR)/nskit/drop-in

.PHONY: check vm vm-all containers faults fuzz storm kills bench coverage docs deny build packages deb rpm tarball install uninstall

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --test faults -- -D warnings
	cargo test --workspace

vm:
	tests/vm/test

vm-all:
	tests/vm/matrix

# Beside the engines of this machine, beside those that want cgroup v2 alone, and under systemd.
containers:
	NSKIT_RING=containers cargo test --locked --test main containers::
	tests/vm/test -r containers containers::
	tests/vm/test -r containers -g systemd refer::systemd

# One call: make faults FAULTS="'rnsenter -a' 0:17:EMFILE"; a sample: FAULTS="--every 20".
faults:
	cargo test --locked --test faults -- $(FAULTS)

docs:
	BLESS=1 cargo test --test main docs

# What may be built in, and under which licences: where cargo-deny is installed (`cargo install --locked cargo-deny`).
deny:
	cargo deny --locked check licenses bans sources

# Of what is shipped, which cargo does not build for a bench.
bench: build
	cargo bench --quiet --bench table

# Thousands of listings while processes are born and die.
storm:
	NSKIT_ROUNDS=$(or $(ROUNDS),5000) cargo test --locked --test main rlsns::storm::listings

# A thousand runs killed by SIGKILL, and one more.
kills:
	NSKIT_KILLS=$(or $(KILLS),1000) cargo test --locked --test main rcgexec::clean::of_runs_killed

fuzz:
	tests/fuzz/run $(or $(SECONDS),60) $(ROW)

coverage:
	tests/coverage

build:
	cargo build --release

# All of them, and their sums, in target/packages.
packages:
	packaging/all

deb:
	packaging/deb

rpm:
	packaging/rpm

tarball:
	packaging/tarball

$(TOOLS:%=target/release/%):
	cargo build --release

install: $(TOOLS:%=$(BINARIES)/%)
	install -d $(BIN) $(SHARE)/man/man1 $(SHARE)/man/man7 $(SHARE)/man/man8 $(BASH) $(ZSH) $(FISH) $(DROPIN)
	install -m 755 $(TOOLS:%=$(BINARIES)/%) $(BIN)
	install -m 644 $(MAN1:%=man/%) $(SHARE)/man/man1
	install -m 644 $(MAN7:%=man/%) $(SHARE)/man/man7
	install -m 644 $(MAN8:%=man/%) $(SHARE)/man/man8
	install -m 644 $(TOOLS:%=completions/bash/%) $(BASH)
	install -m 644 $(TOOLS:%=completions/zsh/_%) $(ZSH)
	install -m 644 $(TOOLS:%=completions/fish/%.fish) $(FISH)
	for link in $(DROPINS); do ln -sfr $(BIN)/$${link#*=} $(DROPIN)/$${link%=*}; done

uninstall:
	rm -f $(TOOLS:%=$(BIN)/%) $(MAN1:%=$(SHARE)/man/man1/%) $(MAN7:%=$(SHARE)/man/man7/%) $(MAN8:%=$(SHARE)/man/man8/%)
	rm -f $(TOOLS:%=$(BASH)/%) $(TOOLS:%=$(ZSH)/_%) $(TOOLS:%=$(FISH)/%.fish)
	for link in $(DROPINS); do rm -f $(DROPIN)/$${link%=*}; done
	rmdir $(DROPIN) $(DROPIN:/drop-in=) 2>/dev/null || true
