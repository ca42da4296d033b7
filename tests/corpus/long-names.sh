# Long names and deep directories.
name=$(printf '%0200d' 5); touch "$name"; ls | wc -c; ls "$name" | cut -c195-
touch "$(printf '%0300d' 5)" 2> /dev/null; echo $?
deep=.; for n in $(seq 1 30); do deep=$deep/level$n; done
mkdir -p "$deep"; echo bottom > "$deep/file"; cat "$deep/file"; (cd "$deep" && cd ../.. && ls)
find . -name file | tr -cd / | wc -c
