"""AsyncSSH as a test peer. What it can be told is in src/library-peer.ts, the commands it serves in src/builtins.ts."""

import asyncio
import base64
import hashlib
import json
import os
import sys
import traceback

import asyncssh
from asyncssh import encryption, kex, mac, public_key


class Connection(asyncssh.SSHClientConnection):
    """Notes what AsyncSSH gives no way to ask for."""

    key_exchanges = 0
    kex_name = ''

    def send_newkeys(self, k, h):
        self.key_exchanges += 1
        self.kex_name = self._kex.algorithm.decode()
        super().send_newkeys(k, h)


# AsyncSSH makes its connections by this name.
asyncssh.connection.SSHClientConnection = Connection

connections = []
forwards = []
listeners = []
reverse_listeners = []
reverse_connections = []


def decode(text):
    return base64.b64decode(text)


def encode(data):
    return base64.b64encode(data).decode()


def algorithm_options(job):
    names = {
        'kex': 'kex_algs',
        'ciphers': 'encryption_algs',
        'macs': 'mac_algs',
        'signatures': 'signature_algs',
        'rekeyBytes': 'rekey_bytes',
    }
    return {option: job[name] for name, option in names.items() if name in job}


async def algorithms(_):
    def names(algs):
        return [alg.decode() for alg in algs]

    return {
        'kex': names(kex.get_kex_algs()),
        'ciphers': names(encryption.get_encryption_algs()),
        'macs': names(mac.get_mac_algs()),
        'hostKeyAlgorithms': names(public_key.get_public_key_algs()),
    }


# The client


class Client(asyncssh.SSHClient):
    def __init__(self, job):
        self.job = job
        self.banner = ''
        self.rounds = []

    def auth_banner_received(self, msg, lang):
        self.banner += msg

    def password_change_requested(self, prompt, lang):
        if 'newPassword' not in self.job:
            return NotImplemented
        return self.job['password'], self.job['newPassword']

    def kbdint_auth_requested(self):
        return '' if 'answers' in self.job else None

    def kbdint_challenge_received(self, name, instructions, lang, prompts):
        asked = [{'prompt': prompt, 'echo': echo} for prompt, echo in prompts]
        self.rounds.append({'name': name, 'instructions': instructions, 'prompts': asked})
        return [self.job['answers'][prompt] for prompt, _ in prompts]


def client_options(job, client):
    options = algorithm_options(job)
    if 'hostKeyAlgorithms' in job:
        options['server_host_key_algs'] = job['hostKeyAlgorithms']
    return dict(
        username=job['username'],
        password=job.get('password'),
        client_keys=[job['keyFile']] if 'keyFile' in job else None,
        passphrase=job.get('passphrase'),
        agent_path=None,
        config=None,
        client_factory=lambda: client,
        **options,
    )


def describe_connection(conn, client):
    connections.append(conn)
    info = conn.get_extra_info
    return {
        'connection': len(connections) - 1,
        'kex': conn.kex_name,
        'ciphers': [info('send_cipher'), info('recv_cipher')],
        'macs': [info('send_mac'), info('recv_mac')],
        'serverVersion': info('server_version'),
        'banner': client.banner,
        'rounds': client.rounds,
    }


async def connect(job):
    client = Client(job)
    conn = await asyncssh.connect(
        '127.0.0.1',
        job['port'],
        known_hosts=asyncssh.import_known_hosts(f"[127.0.0.1]:{job['port']} {job['hostKey']}\n"),
        **client_options(job, client),
    )
    return describe_connection(conn, client)


async def listen_reverse(job):
    client = Client(job)
    accepted = asyncio.Queue()
    listener = await asyncssh.listen_reverse(
        '127.0.0.1',
        0,
        acceptor=accepted.put_nowait,
        known_hosts=([asyncssh.import_public_key(job['hostKey'])], [], []),
        **client_options(job, client),
    )
    reverse_listeners.append((accepted, client))
    return {'port': listener.get_port(), 'listener': len(reverse_listeners) - 1}


async def accepted(job):
    waiting, client = reverse_listeners[job['listener']]
    return describe_connection(await waiting.get(), client)


async def run_command(job):
    options = {}
    if 'env' in job:
        options['env'] = job['env']
    if 'pty' in job:
        pty = job['pty']
        options.update(term_type=pty['term'], term_size=(pty['columns'], pty['rows']))
    process = await connections[job['connection']].create_process(job['command'], encoding=None, **options)
    stdout = b''
    if 'resize' in job or 'signal' in job:
        stdout = await process.stdout.readline()
        if 'resize' in job:
            process.change_terminal_size(job['resize']['columns'], job['resize']['rows'])
        if 'signal' in job:
            process.send_signal(job['signal'])
    output = asyncio.gather(process.stdout.read(), process.stderr.read())
    if job.get('inputAfterOutput'):
        await output
    try:
        process.stdin.write(decode(job.get('input', '')))
        if 'resize' not in job and 'signal' not in job:
            process.stdin.write_eof()
    except BrokenPipeError:
        # A program may end without reading its input.
        pass
    rest, stderr = await output
    await process.wait_closed()
    return {
        'status': process.exit_status if process.exit_signal is None else None,
        'signal': process.exit_signal[0] if process.exit_signal else None,
        'stdout': encode(stdout + rest),
        'stderr': encode(stderr),
    }


async def transfer(job):
    conn = connections[job['connection']]
    process = await conn.create_process(job['command'], encoding=None)
    sent, received = hashlib.sha256(), hashlib.sha256()
    count = 0

    async def send():
        left = job['bytes']
        while left:
            chunk = os.urandom(min(left, 65536))
            left -= len(chunk)
            sent.update(chunk)
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.write_eof()

    sending = asyncio.create_task(send())
    while chunk := await process.stdout.read(65536):
        received.update(chunk)
        count += len(chunk)
    await sending
    await process.wait_closed()
    return {
        'sent': sent.hexdigest(),
        'received': received.hexdigest(),
        'bytes': count,
        'keyExchanges': conn.key_exchanges,
    }


async def scp(job):
    def side(given):
        return (connections[given['connection']], given['path']) if 'connection' in given else given['path']

    errors = []
    options = dict(preserve=job.get('preserve', False), recurse=job.get('recurse', False))
    await asyncssh.scp(
        [side(source) for source in job['sources']],
        side(job['destination']),
        error_handler=lambda error: errors.append(str(getattr(error, 'reason', error))),
        **options,
    )
    return {'errors': errors}


async def files(job):
    async with connections[job['connection']].start_sftp_client() as sftp:
        return [await file_step(sftp, step) for step in job['steps']]


async def file_step(sftp, step):
    try:
        return await run_file_step(sftp, step['do'], step) or {}
    except asyncssh.SFTPError as error:
        kinds = {asyncssh.FX_NO_SUCH_FILE: 'missing', asyncssh.FX_PERMISSION_DENIED: 'denied'}
        kinds[asyncssh.FX_OP_UNSUPPORTED] = 'unsupported'
        return {'error': kinds.get(error.code, 'failure'), 'message': error.reason}


async def run_file_step(sftp, name, step):
    path = step['path']
    if name == 'put':
        await sftp.put(step['from'], path)
    elif name == 'get':
        await sftp.get(path, step['to'])
    elif name in ('stat', 'lstat'):
        attrs = await getattr(sftp, name)(path)
        return {'size': attrs.size, 'mode': attrs.permissions, 'mtime': attrs.mtime}
    elif name == 'list':
        return {'names': sorted(entry for entry in await sftp.listdir(path) if entry not in ('.', '..'))}
    elif name in ('readlink', 'realpath'):
        return {'path': await getattr(sftp, name)(path)}
    elif name in ('remove', 'mkdir', 'rmdir'):
        await getattr(sftp, name)(path)
    elif name == 'rename':
        await sftp.rename(path, step['to'])
    elif name == 'symlink':
        await sftp.symlink(step['target'], path)
    elif name == 'chmod':
        await sftp.chmod(path, step['mode'])
    elif name == 'truncate':
        await sftp.truncate(path, step['size'])
    elif name == 'utime':
        await sftp.utime(path, (step['time'], step['time']))
    elif name == 'posixRename':
        await sftp.posix_rename(path, step['to'])
    elif name == 'link':
        await sftp.link(path, step['to'])
    elif name == 'statvfs':
        facts = await sftp.statvfs(path)
        return {'blocks': facts.blocks, 'blockSize': facts.frsize}
    elif name == 'append':
        async with sftp.open(path, 'ab') as file:
            await file.write(decode(step['data']))
    elif name == 'scatter':
        parts = [(part['offset'], decode(part['data'])) for part in step['parts']]
        async with sftp.open(path, 'rb+') as file:
            await asyncio.gather(*(file.write(data, offset) for offset, data in parts))
            read = await asyncio.gather(*(file.read(len(data), offset) for offset, data in parts))
        return {'data': [encode(data) for data in read]}
    elif name == 'spread':

        async def write_and_read(number):
            async with sftp.open(f'{path}/{number}', 'wb+') as file:
                await file.write(str(number).encode())
                return encode(await file.read(100, 0))

        return {'data': await asyncio.gather(*map(write_and_read, range(step['count'])))}
    elif name == 'listBytes':
        names = await sftp.listdir(decode(path))
        return {'names': [encode(entry) for entry in names if entry not in (b'.', b'..')]}
    elif name == 'readBytes':
        async with sftp.open(decode(path), 'rb') as file:
            return {'data': [encode(await file.read())]}
    elif name == 'removeBytes':
        await sftp.remove(decode(path))


# SFTP of any version: methods by name, of the client or of a file that an earlier step opened


async def sftp_calls(job):
    open_files = {}
    async with connections[job['connection']].start_sftp_client(sftp_version=job['version']) as sftp:
        results = [await sftp_call(sftp, open_files, step) for step in job['steps']]
        for file in open_files.values():
            await file.close()
        return {'version': sftp.version, 'results': results}


async def sftp_call(sftp, open_files, step):
    target = open_files[step['on']] if 'on' in step else sftp
    options = dict(step.get('options', {}))
    if 'attrs' in options:
        options['attrs'] = asyncssh.SFTPAttrs(**options['attrs'])
    arguments = [asyncssh.SFTPAttrs(**arg) if isinstance(arg, dict) else arg for arg in step.get('arguments', [])]
    try:
        result = getattr(target, step['method'])(*arguments, **options)
        if 'as' in step:
            open_files[step['as']] = await result
            return {}
        return {'value': plain(await result)}
    except asyncssh.SFTPError as error:
        return {'error': error.code, 'message': error.reason}


def plain(value):
    if isinstance(value, asyncssh.SFTPAttrs):
        return {name: plain(field) for name, field in vars(value).items() if field is not None}
    if isinstance(value, asyncssh.SFTPName):
        return {'filename': plain(value.filename), 'longname': plain(value.longname), 'attrs': plain(value.attrs)}
    if isinstance(value, bytes):
        return value.decode('utf-8', 'backslashreplace')
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


async def forward(job):
    conn = connections[job['connection']]
    if 'path' in job:
        reader, writer = await conn.open_unix_connection(job['path'], encoding=None)
    else:
        reader, writer = await conn.open_connection(job['host'], job['port'], encoding=None)
    writer.write(decode(job['input']))
    writer.write_eof()
    data = await reader.read()
    writer.close()
    return {'data': encode(data)}


async def start_forward(job):
    listener = await getattr(connections[job['connection']], job['method'])(*job['arguments'])
    forwards.append(listener)
    return {'port': listener.get_port(), 'forward': len(forwards) - 1}


async def stop_forward(job):
    forwards[job['forward']].close()
    await forwards[job['forward']].wait_closed()
    return {}


async def disconnect(job):
    conn = connections[job['connection']]
    conn.close()
    await conn.wait_closed()
    return {}


# The server


class Server(asyncssh.SSHServer):
    def __init__(self, job):
        self.job = job
        self.keys = [asyncssh.import_public_key(line) for line in job.get('authorizedKeys', [])]
        self.round = 0

    def connection_made(self, conn):
        self.conn = conn

    def begin_auth(self, username):
        if 'banner' in self.job:
            self.conn.send_auth_banner(self.job['banner'])
        return True

    def password_auth_supported(self):
        return 'password' in self.job

    def validate_password(self, username, password):
        if password == self.job.get('expiredPassword'):
            raise asyncssh.PasswordChangeRequired('Your password has expired')
        return username == self.job['username'] and password == self.job['password']

    def change_password(self, username, old_password, new_password):
        return old_password == self.job.get('expiredPassword') and new_password == self.job['password']

    def public_key_auth_supported(self):
        return bool(self.keys)

    def validate_public_key(self, username, key):
        return username == self.job['username'] and key in self.keys

    def kbdint_auth_supported(self):
        return 'rounds' in self.job

    def get_kbdint_challenge(self, username, lang, submethods):
        asked = self.job['rounds'][self.round]
        prompts = [(prompt['prompt'], prompt['echo']) for prompt in asked['prompts']]
        return asked['name'], asked['instructions'], '', prompts

    def validate_kbdint_response(self, username, responses):
        if list(responses) != self.job['rounds'][self.round]['answers']:
            return False
        self.round += 1
        return self.round == len(self.job['rounds']) or self.get_kbdint_challenge(username, '', '')

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True

    def server_requested(self, listen_host, listen_port):
        return self.job.get('forwards', False)

    def unix_connection_requested(self, dest_path):
        return self.job.get('forwards', False)

    def unix_server_requested(self, listen_path):
        return self.job.get('forwards', False)


async def serve_command(process):
    name, _, argument = (process.command or '').partition(' ')
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    status = 0
    if name == 'echo':
        stdout.write(argument.encode() + b'\n')
    elif name == 'cat':
        while chunk := await stdin.read(65536):
            stdout.write(chunk)
            await stdout.drain()
    elif name == 'sha256':
        digest = hashlib.sha256()
        while chunk := await stdin.read(65536):
            digest.update(chunk)
        stdout.write(digest.hexdigest().encode() + b'\n')
    elif name == 'both':
        stdout.write(argument.encode() + b'\n')
        stderr.write(argument[::-1].encode() + b'\n')
    elif name == 'env':
        stdout.write(process.env.get(argument, '').encode() + b'\n')
    elif name == 'exit':
        status = int(argument)
    elif name == 'signal':
        process.exit_with_signal(argument, False, 'asked to', 'en')
        return
    elif name == 'eof-first':
        stdout.write(b'bye\n')
        stdout.write_eof()
        status = len(await stdin.read()) % 256
    elif name == 'terminal':
        stdout.write(f'{process.term_type} {process.term_size[0]}x{process.term_size[1]}\n'.encode())
        try:
            await stdin.read()
        except asyncssh.TerminalSizeChanged as size:
            stdout.write(f'{size.width}x{size.height}\n'.encode())
    elif name == 'trap':
        stdout.write(b'ready\n')
        try:
            await stdin.read()
        except asyncssh.SignalReceived as received:
            stdout.write(received.signal.encode() + b'\n')
    else:
        status = 127
    process.exit(status)


class LockingFiles(asyncssh.SFTPServer):
    """Byte ranges can be locked: AsyncSSH passes such requests on, and leaves what they do to others."""

    locks = []

    def lock(self, file_obj, offset, length, flags):
        for other, start, count, _ in self.locks:
            if other is not file_obj and (not count or offset < start + count) and (not length or start < offset + length):
                raise asyncssh.sftp.SFTPByteRangeLockConflict('locked')
        self.locks.append((file_obj, offset, length, flags))

    def unlock(self, file_obj, offset, length):
        mine = [lock for lock in self.locks if lock[:3] == (file_obj, offset, length)]
        if not mine:
            raise asyncssh.sftp.SFTPNoMatchingByteRangeLock('not locked')
        self.locks.remove(mine[0])


def server_options(job):
    return dict(
        server_factory=lambda: Server(job),
        # Given by name, they would be read and checked for each connection.
        server_host_keys=[asyncssh.read_private_key(file) for file in job['hostKeyFiles']],
        process_factory=serve_command,
        sftp_factory=LockingFiles if job.get('sftpLocks') else True,
        sftp_version=job.get('sftpVersion', 3),
        allow_scp=job.get('allowScp', False),
        encoding=None,
        line_editor=False,
        **algorithm_options(job),
    )


async def listen(job):
    listener = await asyncssh.listen('127.0.0.1', 0, **server_options(job))
    listeners.append(listener)
    return {'port': listener.get_port()}


async def connect_reverse(job):
    reverse_connections.append(await asyncssh.connect_reverse('127.0.0.1', job['port'], **server_options(job)))
    return {}


# The calls

calls = {
    'algorithms': algorithms,
    'listen': listen,
    'listenReverse': listen_reverse,
    'accepted': accepted,
    'connect': connect,
    'connectReverse': connect_reverse,
    'exec': run_command,
    'transfer': transfer,
    'files': files,
    'scp': scp,
    'sftpCalls': sftp_calls,
    'forward': forward,
    'startForward': start_forward,
    'stopForward': stop_forward,
    'disconnect': disconnect,
}


async def answer(request):
    try:
        said = {'result': await calls[request['call']](request['with'])}
    except asyncssh.PermissionDenied as error:
        said = {'error': {'kind': 'auth', 'message': error.reason}}
    except asyncssh.HostKeyNotVerifiable as error:
        said = {'error': {'kind': 'hostKey', 'message': error.reason}}
    except Exception as error:
        traceback.print_exc()
        said = {'error': {'kind': 'other', 'message': repr(error)}}
    print(json.dumps({'id': request['id'], **said}), flush=True)


async def main():
    lines = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = set()
    while line := await lines.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
