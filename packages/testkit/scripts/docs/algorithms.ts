/** The page of algorithms, from the registries. */

import { groupExchangeAlgorithms } from '../../../conn/src/transport/group-exchange.js'
import {
  type AlgorithmRow,
  ciphers,
  compressionAlgorithms,
  kexAlgorithms,
  keyTypes,
  macs,
  opensshKeyCiphers,
  type Registry,
  signatureAlgorithms,
} from '../../../crypto/src/index.js'
import { code, page, table } from './markdown.js'

/** The page. */
export function algorithmsPage(): string {
  return page(
    'Algorithms',
    'In order of preference. *default*: offered when nothing is asked for. *supported*: offered when an option names it. ' +
      '*legacy*: the same, and weak; only for peers that have nothing else. A list in an option replaces the default; ' +
      "text in OpenSSH's form changes it: `'+name'` adds, `'-name'` removes, `'^name'` puts first, and names may hold " +
      "`*` and `?`. What a runtime's `node:crypto` lacks and no fallback computes is left out there.",
    section('Key exchange', 'kexAlgs', kexAlgorithms, {
      hash: ({ hash }) => hash,
      'offered by servers': ({ isCostly, status }) => yes(status === 'default' && isCostly !== true),
    }),
    section('Key exchange with a group of the server', 'kexAlgs', groupExchangeAlgorithms, {
      hash: ({ hash }) => hash,
    }),
    section('Ciphers', 'encryptionAlgs', ciphers, {
      'key bits': ({ keyLength }) => String(keyLength * 8),
      'needs a MAC': ({ isAead }) => yes(!isAead),
    }),
    section('MACs', 'macAlgs', macs, {
      'tag bits': ({ length }) => String(length * 8),
      'encrypt-then-MAC': ({ isEncryptThenMac }) => yes(isEncryptThenMac),
    }),
    section('Compression', 'compressionAlgs', compressionAlgorithms, {}),
    section('Signatures of hosts and users', 'serverHostKeyAlgs, signatureAlgs', signatureAlgorithms, {
      'key type': ({ keyType }) => keyType,
    }),
    section('Key types', undefined, keyTypes, {}),
    `## Ciphers of OpenSSH key files\n\n${opensshKeyCiphers.rows.map(({ name }) => code(name)).join(', ')}`,
  )
}

function section<Row extends AlgorithmRow & { readonly source: string }>(
  title: string,
  option: string | undefined,
  { rows }: Registry<Row>,
  columns: Readonly<Record<string, (row: Row) => string>>,
): string {
  const cells = (row: Row) => Object.values(columns).map((column) => column(row))
  const body = table(
    ['name', 'status', ...Object.keys(columns), 'source'],
    rows.map((row) => [code(row.name), row.status, ...cells(row), row.source]),
  )
  const options = option?.split(', ').map(code).join(', ')
  return [`## ${title}`, ...(options === undefined ? [] : [`Option ${options}.`]), body].join('\n\n')
}

function yes(fact: boolean): string {
  return fact ? 'yes' : 'no'
}
