#!/usr/bin/env bash
# Builds every fuzz target into $OUT, with its corpus, dictionary and options, by the compiler, flags and engine that
# OSS-Fuzz says.
set -euo pipefail
cd "${SRC:?}/parley"
for source in fuzz/*_fuzz.cpp; do
  target=$(basename "$source" _fuzz.cpp)
  # $CXXFLAGS and $LIB_FUZZING_ENGINE are lists.
  # shellcheck disable=SC2086
  "${CXX:?}" ${CXXFLAGS-} -std=c++20 -DASIO_STANDALONE -DASIO_HAS_CO_AWAIT=1 -DASIO_DISABLE_AWAITABLE_FRAME_RECYCLING \
    -isystem "$SRC/asio/asio/include" -I include -I apps -I tests "$source" ${LIB_FUZZING_ENGINE:?} -o "${OUT:?}/$target"
  rm -f "$OUT/${target}_seed_corpus.zip"
  zip -jq "$OUT/${target}_seed_corpus.zip" fuzz/corpus/"$target"/*
  for extra in dict options; do
    [[ ! -e fuzz/$target.$extra ]] || cp "fuzz/$target.$extra" "$OUT/"
  done
done
