"""AsyncSSH as a test peer. The job it is given is described in src/peer-job.ts."""

import asyncio
import base64
import hashlib
import json
import sys

import asyncssh


def algorithm_options(job):
    names = {
        'kex': 'kex_algs',
        'ciphers': 'encryption_algs',
        'macs': 'mac_algs',
    }
    return {option: job[name] for name, option in names.items() if name in job}


async def run_step(conn, step):
    if step['do'] == 'exec':
        result = await conn.run(step['command'], input=base64.b64decode(step.get('input', '')), encoding=None)
        signal = result.exit_signal[0] if result.exit_signal else None
        status = None if result.exit_status == -1 else result.exit_status
        return {
            'status': status,
            'signal': signal,
            'stdout': base64.b64encode(result.stdout).decode(),
            'stderr': base64.b64encode(result.stderr).decode(),
        }
    if step['do'] == 'forward':
        reader, writer = await conn.open_connection(step['host'], step['port'], encoding=None)
        writer.write(base64.b64decode(step['input']))
        writer.write_eof()
        return {'data': base64.b64encode(await reader.read()).decode()}
    async with conn.start_sftp_client() as sftp:
        if step['do'] == 'list':
            names = await sftp.listdir(step['path'])
            return {'names': sorted(name for name in names if name not in ('.', '..'))}
        async with sftp.open(step['path'], 'wb') as file:
            await file.write(base64.b64decode(step['data']))
        async with sftp.open(step['path'], 'rb') as file:
            data = await file.read()
        await sftp.remove(step['path'])
        return {'data': base64.b64encode(data).decode()}


async def client(job):
    options = algorithm_options(job)
    if 'hostKeyAlgorithms' in job:
        options['server_host_key_algs'] = job['hostKeyAlgorithms']
    known = asyncssh.import_known_hosts(f"[{job['host']}]:{job['port']} {job['hostKey']}\n")
    async with asyncssh.connect(
        job['host'],
        job['port'],
        username=job['username'],
        password=job.get('password'),
        client_keys=[job['keyFile']] if 'keyFile' in job else None,
        agent_path=None,
        config=None,
        known_hosts=known,
        **options,
    ) as conn:
        return [await run_step(conn, step) for step in job['steps']]


async def serve_command(process):
    name, _, argument = (process.command or '').partition(' ')
    if name == 'echo':
        process.stdout.write(argument.encode() + b'\n')
    elif name == 'cat':
        while chunk := await process.stdin.read(65536):
            process.stdout.write(chunk)
            await process.stdout.drain()
    elif name == 'sha256':
        digest = hashlib.sha256()
        while chunk := await process.stdin.read(65536):
            digest.update(chunk)
        process.stdout.write(digest.hexdigest().encode() + b'\n')
    elif name == 'stderr':
        process.stderr.write(argument.encode() + b'\n')
    elif name == 'env':
        process.stdout.write(process.env.get(argument, '').encode() + b'\n')
    elif name == 'exit':
        process.exit(int(argument))
        return
    elif name == 'signal':
        process.exit_with_signal(argument, False, 'asked to', 'en')
        return
    else:
        process.stderr.write(b'unknown command\n')
        process.exit(127)
        return
    process.exit(0)


class Server(asyncssh.SSHServer):
    def __init__(self, job):
        self.job = job

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return username == self.job['username'] and password == self.job['password']

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        allowed = asyncssh.import_public_key(self.job['authorizedKey'])
        return username == self.job['username'] and key == allowed

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True

    def server_requested(self, listen_host, listen_port):
        return True


async def server(job):
    listener = await asyncssh.listen(
        '127.0.0.1',
        0,
        server_factory=lambda: Server(job),
        server_host_keys=[job['hostKeyFile']],
        process_factory=serve_command,
        sftp_factory=True,
        allow_scp=True,
        encoding=None,
        **algorithm_options(job),
    )
    print(listener.get_port(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if sys.argv[1] == 'client':
    print(json.dumps(asyncio.run(client(json.load(sys.stdin)))))
else:
    asyncio.run(server(json.loads(sys.argv[2])))
