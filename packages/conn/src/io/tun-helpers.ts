/**
 * The programs that open tunnel devices for us. Arguments: `tun` or `tap`, a unit or nothing, the number of TUNSETIFF.
 * They send the interface's name and then its packets, each with its length (32 bits, network order) in front, take
 * packets in the same way, and end with their input. Each direction is on its own, so that one that is full does not
 * hold up the other. What goes wrong before the name is a number and a text on standard error.
 */

export const pythonHelper = `
import fcntl, os, struct, sys, threading
mode, unit, request = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    tun = os.open('/dev/net/tun', os.O_RDWR)
    name = (mode + unit).encode() if unit else b''
    flags = (1 if mode == 'tun' else 2) | 0x1000
    reply = fcntl.ioctl(tun, request, struct.pack('16sH22x', name, flags))
except OSError as error:
    sys.stderr.write('%d %s' % (error.errno or 0, error.strerror))
    sys.exit(1)
def send(packet):
    data = struct.pack('>I', len(packet)) + packet
    while data:
        data = data[os.write(1, data):]
def take():
    try:
        while True:
            send(os.read(tun, 131072))
    except OSError as error:
        sys.stderr.write('%d %s' % (error.errno or 0, error.strerror))
        sys.stderr.flush()
    os._exit(1)
send(reply[:16].split(b'\\0')[0])
threading.Thread(target=take, daemon=True).start()
source = sys.stdin.buffer
while True:
    head = source.read(4)
    if len(head) < 4:
        os._exit(0)
    packet = source.read(struct.unpack('>I', head)[0])
    try:
        os.write(tun, packet)
    except OSError:
        pass
`

export const perlHelper = `
use strict;
my ($mode, $unit, $request) = @ARGV;
sub fail { printf STDERR '%d %s', $! + 0, "$!"; exit 1 }
sysopen(my $tun, '/dev/net/tun', 2) or fail();
my $reply = pack('a16Sx22', $unit eq '' ? '' : "$mode$unit", ($mode eq 'tun' ? 1 : 2) | 0x1000);
ioctl($tun, $request, $reply) or fail();
sub send_packet {
  my $data = pack('N/a*', $_[0]);
  my $at = 0;
  while ($at < length $data) {
    my $count = syswrite(STDOUT, $data, length($data) - $at, $at);
    exit 1 unless defined $count;
    $at += $count;
  }
}
send_packet(unpack('Z16', $reply));
my $main = $$;
my $child = fork();
fail() unless defined $child;
if ($child == 0) {
  close STDIN;
  while (sysread($tun, my $packet, 131072)) { send_packet($packet) }
  printf STDERR '%d %s', $! + 0, "$!";
  kill 'KILL', $main;
  exit 1;
}
close STDOUT;
binmode STDIN;
while (read(STDIN, my $head, 4) == 4) {
  my $length = unpack('N', $head);
  last if read(STDIN, my $packet, $length) != $length;
  syswrite($tun, $packet);
}
kill 'KILL', $child;
`
