# Many files in one directory.
mkdir d
i=0; while [ $i -lt 300 ]; do : > d/file$i; i=$((i + 1)); done
ls d | wc -l; ls d | sort | head -n 3; ls d/file1? | wc -l
rm d/file*[13579]; ls d | wc -l; rm -r d; ls
