/** Foreign SSH programs as test peers: started on 127.0.0.1, in temporary folders, and gone afterwards. */

export { runBuiltin } from './builtins.js'
export { canCurl, curl } from './curl.js'
export { canServeDropbear, dbclient, startDropbear } from './dropbear.js'
export { type ForeignServer, knownHostsOf } from './foreign-server.js'
export { type Intruder, startIntruder } from './intruder.js'
export {
  type KeyFile,
  type KeyFileOptions,
  type KeySpec,
  type KeyType,
  keyTypes,
  makeKey,
  withoutComment,
} from './keys.js'
export { type LftpOptions, lftp } from './lftp.js'
export { type Library, libraries, startLibrary } from './libraries.js'
export {
  type FilePart,
  type FileStep,
  type FileStepResult,
  type KeyboardRound,
  type LibraryClientOptions,
  type LibraryCommand,
  type LibraryConnection,
  LibraryError,
  type LibraryPeer,
  type LibraryServerOptions,
  type SftpStep,
  type SftpStepResult,
} from './library-peer.js'
export {
  type AlgorithmChoice,
  everyChoice,
  inLanes,
  type SharedAlgorithms,
  sharedAlgorithms,
} from './openssh-algorithms.js'
export { type LoginTarget, type OpensshOptions, scp, sftp, ssh, startSsh } from './openssh-client.js'
export { findPeer, findProgram, isRoot, lacks, type PeerName, peer } from './peers.js'
export { type ProftpdOptions, startProftpd } from './proftpd.js'
export {
  freePort,
  mustRun,
  type ProgramOptions,
  type ProgramResult,
  type RunningProgram,
  runProgram,
  startProgram,
  untilListening,
} from './program.js'
export { type PuttyOptions, plink, pscp, psftp, startPlink } from './putty.js'
export { type RcloneOptions, rclone } from './rclone.js'
export { connectTo } from './sdk-client.js'
export { runInShell, type SdkServer, type SdkServerOptions, startSdkServer } from './sdk-server.js'
export { certify, type SshAgent, type SshAgentOptions, startSshAgent } from './ssh-agent.js'
export { canMount, type SshdOptions, startSshd } from './sshd.js'
export { type SystemUser, systemUser } from './system-user.js'
export { type TemporaryFolder, temporaryFolder } from './temporary-folder.js'
export { startTmux, type Tmux, type TmuxOptions } from './tmux.js'
