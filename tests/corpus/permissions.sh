# chmod, umask and modes.
umask 022; touch f; mkdir d; stat -c '%a %n' f d
chmod 755 f; stat -c %a f; chmod u-x,g+w f; stat -c %a f; chmod a=r f; stat -c %a f
chmod u=rw,go= f; stat -c %a f; chmod 1777 d; stat -c %a d; chmod -R 700 d; stat -c %a d
umask 077; touch private; stat -c %a private; umask
printf '#!/bin/sh\necho ran\n' > script; chmod +x script; ls -l script | cut -c1-10
chmod 4755 f; stat -c %a f; chmod 644 f
