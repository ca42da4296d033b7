# Options of scripts.
parse() {
	OPTIND=1
	while getopts ab:c option; do
		case $option in
			a | c) echo "option $option" ;;
			b) echo "b with $OPTARG" ;;
			*) echo wrong ;;
		esac
	done
	shift $((OPTIND - 1)); echo "rest: $*"
}
parse -a -b value rest
parse -cbvalue -- -a
parse -x 2> /dev/null
getopt -o ab: -l long -- -a --long -b 1 file
