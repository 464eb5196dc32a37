# SPDX-License-Identifier: Apache-2.0
# A thin front for CMake and the scripts of tools/; `make help` lists what there is.
PREFIX  ?= /usr/local
DESTDIR ?=
JOBS    ?= $(shell nproc)

.PHONY: all check test demo asan tsan fuzz bench fmt install dist distcheck reproducible deb clean verify tidy cppcheck coverage mutants help

all:
	@cmake --preset release
	@cmake --build build --parallel $(JOBS)

check test:
	@sh tools/test.sh

verify: all
	@python3 tools/verify.py $(VERIFY)

demo:
	@sh tools/demo.sh

asan tsan:
	@sh tools/test.sh --preset $@

fuzz:
	@cmake --preset fuzz
	@cmake --build build/fuzz --parallel $(JOBS)

bench: all
	@build/effnet bench efficientnet-b0 --threads 1
	@build/effnet bench efficientnet-b0

fmt:
	@clang-format -i $$(git ls-files '*.c' '*.h')

tidy cppcheck:
	@sh tools/$@.sh

coverage:
	@sh tools/setup.sh build test
	@python3 tools/coverage.py

mutants: all
	@python3 tools/mutants.py --jobs $(JOBS) --least 80

install: all
	@DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)'

dist:
	@sh tools/dist.sh

distcheck:
	@sh tools/check_dist.sh

reproducible:
	@sh tools/check_reproducible.sh

deb:
	@sh tools/deb.sh

clean:
	@rm -rf build

help:
	@echo 'make            the release build: program build/effnet, library build/libeffnet.*'
	@echo 'make check      install what tests need, build, run the fast suite (tools/test.sh)'
	@echo 'make verify     the evidence for what effnet claims, as a table in verify.md (VERIFY=--quick: 5 minutes)'
	@echo 'make demo       photographs classified by a pretrained network (tools/demo.sh)'
	@echo 'make asan       the suite under AddressSanitizer and UBSan, in build/asan'
	@echo 'make tsan       the suite under ThreadSanitizer, in build/tsan'
	@echo 'make fuzz       the fuzz targets with clang and the sanitizers, in build/fuzz/fuzz'
	@echo 'make bench      latency of B0 on this machine, one thread and all'
	@echo 'make fmt        clang-format over the sources git knows'
	@echo 'make tidy       clang-tidy over src/ and cli/; make cppcheck likewise'
	@echo 'make coverage   lines and branches that the suite reaches, by folder, in build/coverage'
	@echo 'make mutants    how many of 100 seeded faults the tests notice (some minutes)'
	@echo 'make install    to PREFIX (/usr/local) below DESTDIR; docs/install.md'
	@echo 'make dist       the release tarball and its SHA-256, in build/dist'
	@echo 'make distcheck  that tarball unpacked, built, tested and installed without git and network'
	@echo 'make reproducible  two builds of these sources in different folders, compared byte by byte'
	@echo 'make deb        Debian packages, in build/deb'
	@echo 'make clean      remove build/'
