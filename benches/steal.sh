# The machine's steal over a while, for the benches that source this from the project's root.
# shellcheck shell=bash
cpu_times() { awk '/^cpu /{ s = $9; t = 0; for (i = 2; i <= 9; i++) t += $i; print s, t }' /proc/stat; }
steal_begins() { read -r steal_before total_before < <(cpu_times); }
steal_percent() { # since steal_begins
    local steal total
    read -r steal total < <(cpu_times)
    awk -v s=$((steal - steal_before)) -v t=$((total - total_before)) 'BEGIN { printf "%.1f\n", 100 * s / t }'
}
