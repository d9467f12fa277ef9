"""Paramiko as a test peer. What it can be told is in src/library-peer.ts, the commands it serves in src/builtins.ts."""

import base64
import errno
import hashlib
import json
import os
import socket
import sys
import threading
import time
import traceback

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

connections = []


def decode(text):
    return base64.b64decode(text)


def encode(data):
    return base64.b64encode(data).decode()


def public_key(line):
    kind, blob = line.split()[:2]
    return paramiko.PKey.from_type_string(kind, decode(blob))


def in_background(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


class Transport(paramiko.Transport):
    """Notes what Paramiko forgets, and serves commands."""

    key_exchanges = 0
    kex_name = ''

    def __init__(self, sock, job):
        signatures = job.get('signatures', self._preferred_pubkeys)
        unwanted = [name for name in self._preferred_pubkeys if name not in signatures]
        super().__init__(sock, disabled_algorithms={'pubkeys': unwanted})
        options = self.get_security_options()
        names = {'kex': 'kex', 'ciphers': 'ciphers', 'macs': 'digests', 'hostKeyAlgorithms': 'key_types'}
        for name, attribute in names.items():
            if name in job:
                setattr(options, attribute, job[name])
        if 'rekeyBytes' in job:
            self.packetizer.REKEY_BYTES = job['rekeyBytes']

    def _activate_outbound(self):
        self.key_exchanges += 1
        self.kex_name = next(name for name, engine in self._kex_info.items() if engine is type(self.kex_engine))
        super()._activate_outbound()

    def _handle_channel_request(channel, message):
        # Only after this is the request answered, and a command may run.
        channel._handle_request(message)
        command = channel.__dict__.pop('command', None)
        if command is not None:
            in_background(serve_command, channel, command)

    _channel_handler_table = {**paramiko.Transport._channel_handler_table, MSG_CHANNEL_REQUEST: _handle_channel_request}


# Group exchange, which a server cannot do without groups.
HAS_GROUPS = Transport.load_server_moduli('/etc/ssh/moduli')


def algorithms(_):
    return {
        'kex': [name for name in Transport._preferred_kex if HAS_GROUPS or 'group-exchange' not in name],
        'ciphers': Transport._preferred_ciphers,
        'macs': Transport._preferred_macs,
        'hostKeyAlgorithms': Transport._preferred_keys,
    }


# The client


class WrongHostKey(Exception):
    pass


def connect(job):
    transport = Transport(socket.create_connection(('127.0.0.1', job['port'])), job)
    try:
        expected = public_key(job['hostKey'])
        if 'hostKeyAlgorithms' not in job:
            name = expected.get_name()
            names = ['rsa-sha2-512', 'rsa-sha2-256'] if name == 'ssh-rsa' else [name]
            transport.get_security_options().key_types = names
        transport.start_client(timeout=30)
        if transport.get_remote_server_key() != expected:
            raise WrongHostKey('the host key is another one')
        rounds = []
        log_in(transport, job, rounds)
    except BaseException:
        transport.close()
        raise
    connections.append(transport)
    return {
        'connection': len(connections) - 1,
        'kex': transport.kex_name,
        'ciphers': [transport.local_cipher, transport.remote_cipher],
        'macs': [transport.local_mac, transport.remote_mac],
        'serverVersion': transport.remote_version,
        'banner': (transport.get_banner() or b'').decode(),
        'rounds': rounds,
    }


def log_in(transport, job, rounds):
    username = job['username']
    if 'keyFile' in job:
        passphrase = job['passphrase'].encode() if 'passphrase' in job else None
        key = paramiko.PKey.from_path(job['keyFile'], passphrase)
        if not transport.auth_publickey(username, key):
            return
    if 'answers' in job:

        def respond(name, instructions, prompts):
            asked = [{'prompt': prompt, 'echo': echo} for prompt, echo in prompts]
            rounds.append({'name': name, 'instructions': instructions, 'prompts': asked})
            return [job['answers'][prompt] for prompt, _ in prompts]

        transport.auth_interactive(username, respond)
    elif 'password' in job:
        transport.auth_password(username, job['password'], fallback=False)


def run_command(job):
    channel = connections[job['connection']].open_session()
    for name, value in job.get('env', {}).items():
        channel.set_environment_variable(name, value)
    if 'pty' in job:
        channel.get_pty(job['pty']['term'], job['pty']['columns'], job['pty']['rows'])
    channel.exec_command(job['command'])
    stdout, stderr = channel.makefile('rb'), []
    watcher = in_background(lambda: stderr.append(channel.makefile_stderr('rb').read()))
    first = b''
    if 'resize' in job:
        first = stdout.readline()
        channel.resize_pty(job['resize']['columns'], job['resize']['rows'])

    def feed():
        # An end of file may overtake the answer to a close in Paramiko, and end the connection: not without need.
        if 'input' in job:
            channel.sendall(decode(job['input']))
            channel.shutdown_write()

    # Input, output and errors flow at the same time, or a full window would stop all three.
    feeder = None if job.get('inputAfterOutput') else in_background(feed)
    rest = stdout.read()
    if feeder is None:
        feed()
    else:
        feeder.join()
    watcher.join()
    status = channel.recv_exit_status()
    channel.close()
    return {
        'status': None if status == -1 else status,
        # Paramiko does not read exit-signal.
        'signal': None,
        'stdout': encode(first + rest),
        'stderr': encode(stderr[0]),
    }


def transfer(job):
    transport = connections[job['connection']]
    channel = transport.open_session()
    channel.exec_command(job['command'])
    sent, received = hashlib.sha256(), hashlib.sha256()
    count = 0

    def send():
        left = job['bytes']
        while left:
            chunk = os.urandom(min(left, 65536))
            left -= len(chunk)
            sent.update(chunk)
            channel.sendall(chunk)

    sending = in_background(send)
    while count < job['bytes'] and (chunk := channel.recv(65536)):
        received.update(chunk)
        count += len(chunk)
    sending.join()
    finish_rekeys(transport)
    channel.shutdown_write()
    while chunk := channel.recv(65536):
        received.update(chunk)
        count += len(chunk)
    channel.close()
    return {
        'sent': sent.hexdigest(),
        'received': received.hexdigest(),
        'bytes': count,
        'keyExchanges': transport.key_exchanges,
    }


def finish_rekeys(transport):
    """
    Lets no key exchange of ours begin any more. Paramiko answers a CHANNEL_CLOSE from the thread that reads, which waits
    until keys may be used again: when the close was under way behind its own KEXINIT, it waits for itself, until it gives
    up after 30 s.
    """
    transport.packetizer.REKEY_BYTES = transport.packetizer.REKEY_PACKETS = 2**60
    while transport.packetizer.need_rekey() or transport.in_kex:
        time.sleep(0.01)


def files(job):
    sftp = paramiko.SFTPClient.from_transport(connections[job['connection']])
    try:
        return [file_step(sftp, step) for step in job['steps']]
    finally:
        sftp.close()


def file_step(sftp, step):
    try:
        return run_file_step(sftp, step['do'], step) or {}
    except OSError as error:
        kinds = {errno.ENOENT: 'missing', errno.EACCES: 'denied'}
        unsupported = 'unsupported' in str(error).lower()
        return {'error': 'unsupported' if unsupported else kinds.get(error.errno, 'failure'), 'message': str(error)}


def run_file_step(sftp, name, step):
    path = step['path']
    if name == 'put':
        sftp.put(step['from'], path)
    elif name == 'get':
        sftp.get(path, step['to'])
    elif name in ('stat', 'lstat'):
        attrs = getattr(sftp, name)(path)
        return {'size': attrs.st_size, 'mode': attrs.st_mode, 'mtime': attrs.st_mtime}
    elif name == 'list':
        return {'names': sorted(sftp.listdir(path))}
    elif name == 'readlink':
        return {'path': sftp.readlink(path)}
    elif name == 'realpath':
        return {'path': sftp.normalize(path)}
    elif name in ('remove', 'mkdir', 'rmdir'):
        getattr(sftp, name)(path)
    elif name == 'rename':
        sftp.rename(path, step['to'])
    elif name == 'symlink':
        sftp.symlink(step['target'], path)
    elif name == 'chmod':
        sftp.chmod(path, step['mode'])
    elif name == 'truncate':
        sftp.truncate(path, step['size'])
    elif name == 'utime':
        sftp.utime(path, (step['time'], step['time']))
    elif name == 'posixRename':
        sftp.posix_rename(path, step['to'])
    elif name == 'append':
        with sftp.open(path, 'ab') as file:
            file.write(decode(step['data']))
    elif name == 'scatter':
        parts = [(part['offset'], decode(part['data'])) for part in step['parts']]
        with sftp.open(path, 'rb+') as file:
            file.set_pipelined(True)
            for offset, data in parts:
                file.seek(offset)
                file.write(data)
            file.set_pipelined(False)
            file.flush()
            return {'data': [encode(data) for data in file.readv([(offset, len(data)) for offset, data in parts])]}
    elif name == 'spread':
        read = []
        for number in range(step['count']):
            with sftp.open(f'{path}/{number}', 'wb+') as file:
                file.write(str(number))
                file.seek(0)
                read.append(encode(file.read()))
        return {'data': read}
    elif name == 'readBytes':
        with sftp.open(decode(path), 'rb') as file:
            return {'data': [encode(file.read())]}
    elif name == 'removeBytes':
        sftp.remove(decode(path))
    else:
        raise OSError(errno.ENOSYS, f'Paramiko has no {name}: unsupported')


def forward(job):
    transport = connections[job['connection']]
    channel = transport.open_channel('direct-tcpip', (job['host'], job['port']), ('127.0.0.1', 0))
    channel.sendall(decode(job['input']))
    channel.shutdown_write()
    data = channel.makefile('rb').read()
    channel.close()
    return {'data': encode(data)}


def disconnect(job):
    connections[job['connection']].close()
    return {}


# The server


class Server(paramiko.ServerInterface):
    def __init__(self, job):
        self.job = job
        self.keys = [public_key(line) for line in job.get('authorizedKeys', [])]
        self.is_key_shown = False
        self.round = 0

    def get_banner(self):
        return (self.job['banner'], 'en') if 'banner' in self.job else (None, None)

    def get_allowed_auths(self, username):
        if self.job.get('requiresBoth'):
            return 'password' if self.is_key_shown else 'publickey'
        names = {'publickey': 'authorizedKeys', 'keyboard-interactive': 'rounds', 'password': 'password'}
        return ','.join(name for name, needs in names.items() if needs in self.job)

    def check_auth_password(self, username, password):
        if self.job.get('requiresBoth') and not self.is_key_shown:
            return paramiko.AUTH_FAILED
        allowed = username == self.job['username'] and password == self.job.get('password')
        return paramiko.AUTH_SUCCESSFUL if allowed else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        if username != self.job['username'] or key not in self.keys:
            return paramiko.AUTH_FAILED
        self.is_key_shown = True
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if self.job.get('requiresBoth') else paramiko.AUTH_SUCCESSFUL

    def check_auth_interactive(self, username, submethods):
        return self.query() if 'rounds' in self.job else paramiko.AUTH_FAILED

    def query(self):
        asked = self.job['rounds'][self.round]
        prompts = [(prompt['prompt'], prompt['echo']) for prompt in asked['prompts']]
        return paramiko.InteractiveQuery(asked['name'], asked['instructions'], *prompts)

    def check_auth_interactive_response(self, responses):
        if responses != self.job['rounds'][self.round]['answers']:
            return paramiko.AUTH_FAILED
        self.round += 1
        return paramiko.AUTH_SUCCESSFUL if self.round == len(self.job['rounds']) else self.query()

    def check_channel_request(self, kind, channel_id):
        return paramiko.OPEN_SUCCEEDED if kind == 'session' else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_env_request(self, channel, name, value):
        channel.__dict__.setdefault('environment', {})[name.decode()] = value
        return True

    def check_channel_pty_request(self, channel, term, width, height, pixelwidth, pixelheight, modes):
        channel.terminal = f'{term.decode()} {width}x{height}\n'.encode()
        return True

    def check_channel_window_change_request(self, channel, width, height, pixelwidth, pixelheight):
        channel.sendall(f'{width}x{height}\n'.encode())
        finish(channel, 0)
        return True

    def check_channel_exec_request(self, channel, command):
        channel.command = command.decode()
        return True


def finish(channel, status):
    channel.send_exit_status(status)
    channel.shutdown_write()
    channel.close()


def serve_command(channel, command):
    name, _, argument = command.partition(' ')
    status = 0
    if name == 'echo':
        channel.sendall(argument.encode() + b'\n')
    elif name == 'cat':
        while chunk := channel.recv(65536):
            channel.sendall(chunk)
    elif name == 'sha256':
        digest = hashlib.sha256()
        while chunk := channel.recv(65536):
            digest.update(chunk)
        channel.sendall(digest.hexdigest().encode() + b'\n')
    elif name == 'both':
        channel.sendall(argument.encode() + b'\n')
        channel.sendall_stderr(argument[::-1].encode() + b'\n')
    elif name == 'env':
        channel.sendall(channel.__dict__.get('environment', {}).get(argument, b'') + b'\n')
    elif name == 'exit':
        status = int(argument)
    elif name == 'signal':
        message = paramiko.Message()
        message.add_byte(bytes([MSG_CHANNEL_REQUEST]))
        message.add_int(channel.remote_chanid)
        message.add_string('exit-signal')
        message.add_boolean(False)
        message.add_string(argument)
        message.add_boolean(False)
        message.add_string('asked to')
        message.add_string('en')
        channel.transport._send_user_message(message)
        channel.close()
        return
    elif name == 'eof-first':
        channel.sendall(b'bye\n')
        channel.shutdown_write()
        count = 0
        while chunk := channel.recv(65536):
            count += len(chunk)
        status = count % 256
    elif name == 'terminal':
        channel.sendall(channel.terminal)
        return
    else:
        status = 127
    finish(channel, status)


def converted(work):
    """Calls work; what it raises becomes a status."""

    def call(*arguments):
        try:
            result = work(*arguments)
            return paramiko.SFTP_OK if result is None else result
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    return call


class FileHandle(paramiko.SFTPHandle):
    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attributes):
        paramiko.SFTPServer.set_file_attr(self.path, attributes)
        return paramiko.SFTP_OK


class Files(paramiko.SFTPServerInterface):
    @converted
    def open(self, path, flags, attributes):
        mode = 0o666 if attributes.st_mode is None else attributes.st_mode
        descriptor = os.open(path, flags, mode)
        handle = FileHandle(flags)
        handle.path = path
        modes = {os.O_WRONLY: 'wb', os.O_RDWR: 'r+b'}
        handle.readfile = handle.writefile = os.fdopen(descriptor, modes.get(flags & 3, 'rb'))
        return handle

    @converted
    def list_folder(self, path):
        entries = []
        for name in os.listdir(path):
            attributes = paramiko.SFTPAttributes.from_stat(os.lstat(os.path.join(path, name)))
            attributes.filename = name
            entries.append(attributes)
        return entries

    @converted
    def stat(self, path):
        return paramiko.SFTPAttributes.from_stat(os.stat(path))

    @converted
    def lstat(self, path):
        return paramiko.SFTPAttributes.from_stat(os.lstat(path))

    @converted
    def remove(self, path):
        os.remove(path)

    @converted
    def rename(self, old, new):
        os.link(old, new)
        os.remove(old)

    @converted
    def posix_rename(self, old, new):
        os.replace(old, new)

    @converted
    def mkdir(self, path, attributes):
        os.mkdir(path)

    @converted
    def rmdir(self, path):
        os.rmdir(path)

    @converted
    def chattr(self, path, attributes):
        paramiko.SFTPServer.set_file_attr(path, attributes)

    @converted
    def readlink(self, path):
        return os.readlink(path)

    @converted
    def symlink(self, target, path):
        os.symlink(target, path)

    def canonicalize(self, path):
        return os.path.abspath(path)


def serve_connection(connection, job, host_keys):
    transport = Transport(connection, job)
    for key in host_keys:
        transport.add_server_key(key)
    transport.set_subsystem_handler('sftp', paramiko.SFTPServer, Files)
    try:
        transport.start_server(server=Server(job))
    except (paramiko.SSHException, EOFError):
        return
    # A channel that nobody holds is closed by the garbage collector.
    channels = []
    while transport.is_active():
        channels.append(transport.accept(1))


def listen(job):
    listener = socket.create_server(('127.0.0.1', 0))
    host_keys = [paramiko.PKey.from_path(file) for file in job['hostKeyFiles']]

    def accept():
        while True:
            connection, _ = listener.accept()
            in_background(serve_connection, connection, job, host_keys)

    in_background(accept)
    return {'port': listener.getsockname()[1]}


# The calls

calls = {
    'algorithms': algorithms,
    'listen': listen,
    'connect': connect,
    'exec': run_command,
    'transfer': transfer,
    'files': files,
    'forward': forward,
    'disconnect': disconnect,
}
speaking = threading.Lock()


def answer(request):
    try:
        said = {'result': calls[request['call']](request['with'])}
    except paramiko.AuthenticationException as error:
        said = {'error': {'kind': 'auth', 'message': str(error)}}
    except WrongHostKey as error:
        said = {'error': {'kind': 'hostKey', 'message': str(error)}}
    except Exception as error:
        traceback.print_exc()
        said = {'error': {'kind': 'other', 'message': repr(error)}}
    with speaking:
        print(json.dumps({'id': request['id'], **said}), flush=True)


for line in sys.stdin:
    in_background(answer, json.loads(line))
# Threads that still serve must not keep the program.
sys.stdout.flush()
os._exit(0)
