#!/usr/bin/bash
# needs: cat make printf sed sh sort touch
# make: dependencies, variables, parallel jobs.
printf 'all: c\n\t@echo done $(words $(SRC))\nSRC := $(sort b a)\n' > Makefile
printf '%%: %%.in\n\t@sed s/x/$@/ $< > $@; echo made $@\nc: $(SRC)\n\t@cat $^ > $@\n' >> Makefile
echo x1 > a.in; echo x2 > b.in; make -s; cat c; make -s; touch -d @1000 a.in a b c
touch -d @2000 b.in; make -s -n | sort; make -s -j4 | sort; cat c
printf 'fail:\n\t@exit 3\n' > bad; make -s -f bad fail 2>/dev/null; echo $?
