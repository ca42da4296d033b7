# File name patterns.
touch a.txt b.txt c.md .hidden 'with space.txt' '[odd].txt'
mkdir -p d/e; touch d/one d/e/two
echo *
echo *.txt
echo [ab].txt [!a].txt ?.md
echo .h* d/* d/*/*
echo no-match-*
echo '['*
set -f; echo *; set +f
for f in *.txt; do echo "<$f>"; done
