# Hard and symbolic links.
echo data > a; ln a b; ln -s a s; ln -s missing dangling
stat -c '%h' a; echo more >> b; cat a; rm a; cat b; cat s 2> /dev/null; echo $?
readlink s; readlink dangling; ln -sf b s; cat s; ln -s /tmp abs; readlink abs
mkdir d; ln -s d dir; touch dir/x; ls d; [ -L dir ] && [ -d dir ] && echo both
ln -s loop loop; cat loop 2> /dev/null; echo $?; rm loop dangling abs
realpath --help > /dev/null 2>&1; ln b c; find . -type f -links 2 | sort
[ b -ef c ] && echo same file
