# src/data/, and the program as its users see it: transcripts of commands. `sh tests/cli/run.sh --bless PROGRAM TOOL` rewrites
# what is expected (of all, or of the cases named after).
eff_test(test_metrics SOURCES test_metrics.c LABELS unit)
eff_test(test_filelist SOURCES test_filelist.c LABELS unit)
