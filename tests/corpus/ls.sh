# ls and its options, where they say nothing of this machine.
mkdir d; touch b a .c; ln -s a l; mkfifo p; chmod 755 b; echo 12345 > a
ls; ls -a; ls -A; ls -1r; ls -F; ls -d d; ls -p; ls a b; ls -R d
ls -l | tail -n +2 | cut -c1-10; ls -ln a | awk '{ print $1, $2, $5 }'; ls -S a b | head -n 1
ls no-such 2> /dev/null; echo $?
