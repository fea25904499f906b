// Compiles Violet's Ethereum Access Token from its npm package and prints its verifier and a consumer.
//
//   node violet.mjs NODE_MODULES
//
// Downloads nothing. `hardhat/console.sol`, which it imports and never calls, is an empty file here.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const modules = process.argv[2];
const solc = createRequire(join(modules, "here.js"))("solc");
const violet = "@violetprotocol/ethereum-access-token/contracts/";
const consumer = `// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
import {AccessTokenConsumer} from "${violet}AccessTokenConsumer.sol";
contract Shop is AccessTokenConsumer {
    mapping(bytes32 job => address renter) public renterOf;
    constructor(address verifier) AccessTokenConsumer(verifier) {}
    function plain(bytes32 job) external { renterOf[job] = msg.sender; }
    function checked(uint8 v, bytes32 r, bytes32 s, uint256 expiry, bytes32 job)
        external requiresAuth(v, r, s, expiry) { renterOf[job] = msg.sender; }
}`;
const verifier = violet + "AccessTokenVerifier.sol";
const sources = {
  "Shop.sol": { content: consumer },
  [verifier]: { content: readFileSync(join(modules, verifier), "utf8") },
};
const settings = {
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  evmVersion: "cancun",
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};
const readImport = (path) => ({
  contents: path.startsWith("hardhat/") ? "" : readFileSync(join(modules, path), "utf8"),
});
const input = JSON.stringify({ language: "Solidity", sources, settings });
const { contracts } = JSON.parse(solc.compile(input, { import: readImport }));
const told = ([file, name]) => {
  const { abi, evm } = contracts[file][name];
  return { name, abi, bytecode: "0x" + evm.bytecode.object };
};
process.stdout.write(JSON.stringify([["Shop.sol", "Shop"], [verifier, "AccessTokenVerifier"]].map(told)));
