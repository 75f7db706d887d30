# Asks on a card for an IPv6 router (RFC 4861, 4.1), and prints what the first answer says.
my ($card) = @ARGV;
my ($scope) = `ip -o link show $card` =~ /^(\d+):/;
socket(S, 10, 3, 58) or die "socket: $!";
setsockopt(S, 41, 18, pack("i", 255)) or die "hops: $!";
my $all = pack("S n N a16 L", 10, 0, 0, pack("H32", "ff02" . "0" x 27 . "2"), $scope);
send(S, pack("C C n N", 133, 0, 0, 0), 0, $all) or die "send: $!";
$SIG{ALRM} = sub { print "nobody\n"; exit };
alarm 5;
while (recv(S, my $answer, 1500, 0)) {
    my ($type, $code, $sum, $hops, $flags, $lifetime) = unpack("C C n C C n", $answer);
    next if $type != 134;
    print "lifetime $lifetime, flags $flags, ", length($answer) - 16, " bytes of options\n";
    exit;
}
