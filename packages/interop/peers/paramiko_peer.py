"""Paramiko as a test peer. The job it is given is described in src/peer-job.ts."""

import base64
import hashlib
import json
import os
import socket
import sys
import threading
import time

import paramiko


def apply_algorithms(transport, job):
    options = transport.get_security_options()
    for name, attribute in (('kex', 'kex'), ('ciphers', 'ciphers'), ('macs', 'digests'), ('hostKeyAlgorithms', 'key_types')):
        if name in job:
            setattr(options, attribute, job[name])


def public_key(line):
    kind, blob = line.split()[:2]
    return paramiko.PKey.from_type_string(kind, base64.b64decode(blob))


def run_step(transport, step):
    if step['do'] == 'exec':
        channel = transport.open_session()
        channel.exec_command(step['command'])
        data = base64.b64decode(step.get('input', ''))
        stderr = []
        # Input, output and errors flow at the same time, or a full window would stop all three.
        feeder = threading.Thread(target=lambda: (channel.sendall(data), channel.shutdown_write()))
        watcher = threading.Thread(target=lambda: stderr.append(channel.makefile_stderr('rb').read()))
        feeder.start()
        watcher.start()
        stdout = channel.makefile('rb').read()
        feeder.join()
        watcher.join()
        status = channel.recv_exit_status()
        channel.close()
        return {
            'status': None if status == -1 else status,
            'signal': None,
            'stdout': base64.b64encode(stdout).decode(),
            'stderr': base64.b64encode(stderr[0]).decode(),
        }
    if step['do'] == 'forward':
        channel = transport.open_channel('direct-tcpip', (step['host'], step['port']), ('127.0.0.1', 0))
        channel.sendall(base64.b64decode(step['input']))
        channel.shutdown_write()
        return {'data': base64.b64encode(channel.makefile('rb').read()).decode()}
    sftp = paramiko.SFTPClient.from_transport(transport)
    try:
        if step['do'] == 'list':
            return {'names': sorted(sftp.listdir(step['path']))}
        with sftp.open(step['path'], 'wb') as file:
            file.set_pipelined(True)
            file.write(base64.b64decode(step['data']))
        with sftp.open(step['path'], 'rb') as file:
            file.prefetch()
            data = file.read()
        sftp.remove(step['path'])
        return {'data': base64.b64encode(data).decode()}
    finally:
        sftp.close()


def client(job):
    transport = paramiko.Transport((job['host'], job['port']))
    apply_algorithms(transport, job)
    try:
        host_key = public_key(job['hostKey'])
        if 'hostKeyAlgorithms' not in job:
            transport.get_security_options().key_types = [host_key.get_name()]
        if 'keyFile' in job:
            key = paramiko.PKey.from_path(job['keyFile'])
            transport.connect(host_key, job['username'], pkey=key)
        else:
            transport.connect(host_key, job['username'], password=job['password'])
        return [run_step(transport, step) for step in job['steps']]
    finally:
        transport.close()


class Server(paramiko.ServerInterface):
    def __init__(self, job):
        self.job = job
        self.environments = {}

    def get_allowed_auths(self, username):
        return 'password,publickey'

    def check_auth_password(self, username, password):
        allowed = username == self.job['username'] and password == self.job['password']
        return paramiko.AUTH_SUCCESSFUL if allowed else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        allowed = username == self.job['username'] and key == public_key(self.job['authorizedKey'])
        return paramiko.AUTH_SUCCESSFUL if allowed else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, channel_id):
        return paramiko.OPEN_SUCCEEDED if kind == 'session' else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_env_request(self, channel, name, value):
        self.environments.setdefault(channel.get_id(), {})[name.decode()] = value
        return True

    def check_channel_exec_request(self, channel, command):
        environment = self.environments.setdefault(channel.get_id(), {})
        threading.Thread(target=serve_command, args=(channel, command.decode(), environment), daemon=True).start()
        return True


def serve_command(channel, command, environment):
    # The request is answered when its handler returns, which Paramiko gives no way to wait for.
    time.sleep(0.05)
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
    elif name == 'stderr':
        channel.sendall_stderr(argument.encode() + b'\n')
    elif name == 'env':
        channel.sendall(environment.get(argument, b'') + b'\n')
    elif name == 'exit':
        status = int(argument)
    elif name == 'signal':
        message = paramiko.Message()
        message.add_byte(bytes([98]))
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
    else:
        channel.sendall_stderr(b'unknown command\n')
        status = 127
    channel.send_exit_status(status)
    channel.shutdown_write()
    channel.close()


class FileHandle(paramiko.SFTPHandle):
    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attributes):
        paramiko.SFTPServer.set_file_attr(self.path, attributes)
        return paramiko.SFTP_OK


class Files(paramiko.SFTPServerInterface):
    def open(self, path, flags, attributes):
        try:
            descriptor = os.open(path, flags, attributes.st_mode or 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        handle = FileHandle(flags)
        handle.path = path
        handle.readfile = handle.writefile = os.fdopen(descriptor, {os.O_WRONLY: 'wb', os.O_RDWR: 'r+b'}.get(flags & 3, 'rb'))
        return handle

    def list_folder(self, path):
        try:
            entries = []
            for name in os.listdir(path):
                attributes = paramiko.SFTPAttributes.from_stat(os.lstat(os.path.join(path, name)))
                attributes.filename = name
                entries.append(attributes)
            return entries
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def stat(self, path):
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def lstat(self, path):
        try:
            return paramiko.SFTPAttributes.from_stat(os.lstat(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def remove(self, path):
        try:
            os.remove(path)
            return paramiko.SFTP_OK
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def canonicalize(self, path):
        return os.path.abspath(path)


def serve_connection(connection, job):
    transport = paramiko.Transport(connection)
    apply_algorithms(transport, job)
    transport.add_server_key(paramiko.PKey.from_path(job['hostKeyFile']))
    transport.set_subsystem_handler('sftp', paramiko.SFTPServer, Files)
    transport.start_server(server=Server(job))
    # A channel that nobody holds is closed by the garbage collector.
    channels = []
    while transport.is_active():
        channels.append(transport.accept(1))


def server(job):
    listener = socket.create_server(('127.0.0.1', 0))
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve_connection, args=(connection, job), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if sys.argv[1] == 'client':
    print(json.dumps(client(json.load(sys.stdin))))
else:
    server(json.loads(sys.argv[2]))
