/**
 * A program that holds the other end of a pseudo-terminal: Node has no call for one, and a native module would have to be
 * built on every machine. Python's standard library has all of it.
 *
 * Its standard input goes to the terminal and the terminal's output to its standard output, with buffers of 64 KiB.
 * Descriptor 3 goes both ways, line by line. In: `s ROWS COLUMNS WIDTH HEIGHT`, `k SIGNAL`, and `e` when the end of
 * standard input that is to come is meant for the program. Out: `pid N`, `error NAME`, `exit N`, `signal N`. When
 * descriptor 3 ends, so does the terminal, which hangs up on what runs in it.
 */
export const pythonHelper = `
import errno, fcntl, os, select, signal, struct, sys, termios

CONTROL, ROOM = 3, 65536

def tell(text):
    try:
        os.write(CONTROL, (text + '\\n').encode())
    except OSError:
        pass

def resize(fd, rows, columns, width, height):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, width, height))

def start(slave, failed, argv):
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(failed, str(error.errno).encode())
    finally:
        os._exit(127)

def end_of_input(master):
    # Twice: the first ends a line that is not finished.
    try:
        attributes = termios.tcgetattr(master)
    except termios.error:
        return b''
    return attributes[6][termios.VEOF] * 2 if attributes[3] & termios.ICANON else b''

class Terminal:
    def __init__(self, master, pid):
        self.master, self.pid = master, pid
        self.to_child, self.to_client, self.commands = b'', b'', b''
        self.has_input, self.has_output, self.has_client, self.status = True, True, True, None
        self.ends = False

    def take_input(self):
        data = read(0)
        if data == b'':
            self.has_input = False
            data = end_of_input(self.master) if self.ends else b''
        self.to_child += data or b''

    def take_output(self):
        data = read(self.master)
        if data == b'':
            self.has_output = False
        if self.has_client:
            self.to_client += data or b''

    def give_input(self):
        try:
            self.to_child = self.to_child[os.write(self.master, self.to_child):]
        except BlockingIOError:
            pass
        except OSError:
            self.to_child = b''

    def give_output(self):
        try:
            self.to_client = self.to_client[os.write(1, self.to_client):]
        except BlockingIOError:
            pass
        except OSError:
            self.to_client, self.has_client = b'', False

    def obey(self, data):
        *lines, self.commands = (self.commands + data).split(b'\\n')
        for line in lines:
            name, *numbers = line.decode().split()
            try:
                numbers = [int(number) for number in numbers]
                if name == 's':
                    resize(self.master, *numbers)
                elif name == 'e':
                    self.ends = True
                elif name == 'k' and self.status is None:
                    os.killpg(self.pid, *numbers)
            except (OSError, ValueError, struct.error):
                pass

    def reap(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG) if self.status is None else (0, 0)
        if pid != 0:
            self.status = status

    def is_done(self):
        return self.status is not None and not self.has_output and not self.to_client

def read(fd):
    try:
        return os.read(fd, ROOM)
    except BlockingIOError:
        return None
    except OSError:
        return b''

def serve(terminal, woken):
    while not terminal.is_done():
        reading, writing = [CONTROL, woken], []
        if terminal.has_input and len(terminal.to_child) < ROOM:
            reading.append(0)
        takes_output = terminal.has_output and len(terminal.to_client) < ROOM
        if takes_output:
            reading.append(terminal.master)
        if terminal.to_child and terminal.has_output:
            writing.append(terminal.master)
        if terminal.to_client:
            writing.append(1)
        # Once the child has gone, what it left in the terminal is taken, and nobody else is waited for.
        is_last = terminal.status is not None and takes_output
        readable, writable, _ = select.select(reading, writing, [], 0 if is_last else None)
        if CONTROL in readable:
            data = read(CONTROL)
            if data == b'':
                return False
            terminal.obey(data or b'')
        if terminal.master in readable:
            terminal.take_output()
        elif is_last:
            terminal.has_output = False
        if 0 in readable:
            terminal.take_input()
        if terminal.master in writable:
            terminal.give_input()
        if 1 in writable:
            terminal.give_output()
        if woken in readable:
            os.read(woken, 512)
            terminal.reap()
    return True

def main(size, argv):
    master, slave = os.openpty()
    resize(master, *size)
    os.set_inheritable(CONTROL, False)
    check, failed = os.pipe()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = os.fork()
    if pid == 0:
        start(slave, failed, argv)
    os.close(slave)
    os.close(failed)
    problem = os.read(check, 16)
    if problem:
        os.waitpid(pid, 0)
        return tell('error ' + errno.errorcode.get(int(problem), 'EIO'))
    tell('pid %d' % pid)
    for fd in (0, 1, master, CONTROL):
        os.set_blocking(fd, False)
    terminal = Terminal(master, pid)
    if serve(terminal, woken):
        status = terminal.status
        if os.WIFSIGNALED(status):
            tell('signal %d' % os.WTERMSIG(status))
        else:
            tell('exit %d' % os.WEXITSTATUS(status))

main([int(number) for number in sys.argv[1:5]], sys.argv[5:])
`
