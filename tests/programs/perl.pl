#!/usr/bin/perl
# needs: cat sh
use strict;
use warnings;
$| = 1;
pipe(my $read, my $write) or die;
my $pid = fork;
if (!$pid) { close $read; print $write "from the child\n"; exit 3 }
close $write;
print scalar <$read>;
waitpid $pid, 0;
print $? >> 8, "\n";
local $SIG{ALRM} = sub { die "alarm\n" };
eval { alarm 1; sleep 10 };
print $@;
open my $out, '>', 'data' or die;
print $out "$_\t", $_ ** 2, "\n" for 1 .. 500;
close $out;
open my $in, '<', 'data' or die;
my %squares = map { split } <$in>;
print join(',', map { $squares{$_} } sort { $a <=> $b } grep { $_ % 100 == 0 } keys %squares), "\n";
print `echo quoted | cat`, sprintf("%08.3f|%x|%s\n", 3.14159, 255, join '', reverse 'a' .. 'f');
my $text = 'x' x 10000 . 'y';
print length $1, "\n" if $text =~ /^(x+)y$/;
print((stat 'data')[7], "\n");
unlink 'data';
exit system('sh', '-c', 'exit 4') >> 8;
