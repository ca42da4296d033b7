# exec: replaces the shell, or only its descriptors.
(exec echo replaced; echo never)
sh -c 'exec sh -c "exec echo \$0" deep'
exec 5> log
echo to five >&5
(echo inherited >&5)
sh -c 'echo by a child >&5'
exec 5>&-
cat log
exec > captured
echo goes to a file
