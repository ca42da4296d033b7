# cp, mv, rm, mkdir, rmdir, touch.
echo content > a
cp a b; cmp a b && echo same; mv b c; ls
mkdir -p d/e/f; cp -r d copy; cp a c d; ls d; rm -r copy; rmdir d/e/f; ls d/e
rmdir d 2> /dev/null; echo $?; mv a d/; ls . d
cp no-such x 2> /dev/null; echo $?; rm no-such 2> /dev/null; echo $?; rm -f no-such; echo $?
mkdir d 2> /dev/null; echo $?; mkdir -p d; echo $?
touch -c not-made; ls not-made 2> /dev/null; echo $?
mv d/a d/b; mv d moved; ls moved; cp -a moved kept; ls kept
