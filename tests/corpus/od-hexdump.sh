# od, hexdump, xxd, strings.
printf 'Hello\0\1\2World\n' > f
od -c f; od -x f; od -An -tx1 f; hexdump -C f; xxd f; xxd -p f
strings f; printf '48656c6c6f' | xxd -r -p; echo
