# Files that are removed while they are open, and renamed over.
echo data > f; exec 3< f; rm f; cat <&3; exec 3<&-
echo old > a; echo new > b; exec 4< a; mv b a; cat a; cat <&4; exec 4<&-
exec 5> log; mv log moved; echo late >&5; exec 5>&-; cat moved
(cd . && mkdir gone && cd gone && rmdir ../gone && ls; echo $?)
