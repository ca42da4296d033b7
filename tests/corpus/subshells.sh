# Subshells and groups: what they change and what they do not.
x=1; (x=2; echo $x); echo $x
{ x=3; }; echo $x
mkdir d; (cd d; touch inside); ls; ls d
(exit 5) || echo "subshell $?"
(umask 077; touch private); touch public
stat -c '%a %n' private public
(trap 'echo bye' EXIT; (exit 2); echo $?)
echo a | (read -r v; echo "read $v")
