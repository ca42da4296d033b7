# set -e and set -u.
(set -e; true; false; echo not reached); echo $?
(set -e; if false; then :; fi; false || true; ! true; echo reached)
(set -e; f() { false; echo in f; }; f || echo after f)
(set -u; echo "$unset_variable") 2> /dev/null; echo $?
(set -e; x=$(false); echo not reached); echo $?
set -x; echo traced 2> /dev/null; set +x
