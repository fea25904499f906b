// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What the escrow keeps, tells and refuses, wherever in its code.
interface IGPURentalEscrow {
    enum State {
        None,
        Open,
        Closed,
        Held,
        Sanctioned
    }

    /// @dev Never deleted: a record that is not None is the replay guard of its job. Amounts in base
    /// units, times in Unix seconds. Four slots:
    /// - `key` numbers the permit key that cleared the job last; `milestones`: paid by the renter's word
    ///   instead of by the second
    /// - `heldAt` and `cutoff` are set once held: work counts up to `cutoff`; 0 while EAS can't be read
    struct Rental {
        address renter;
        uint64 epoch;
        State state;
        uint16 key;
        bool milestones;
        address provider;
        uint48 start;
        uint48 end;
        address token;
        uint48 heldAt;
        uint48 cutoff;
        uint128 total;
        uint128 settled;
    }

    /// @dev All of the escrow's money, per token (zero: the chain's coin):
    /// unsettled parts of rentals + balances + frozen balances.
    struct Books {
        mapping(bytes32 job => Rental) rentals;
        mapping(address token => mapping(address account => uint256)) balanceOf;
        mapping(address token => mapping(address account => uint256)) frozenOf;
    }

    /// @dev What is opened. `duration` in seconds from now.
    struct Opening {
        bytes32 job;
        uint128 amount;
        uint48 duration;
        bool milestones;
    }

    /// @dev Whose money comes in, and who agreed:
    /// - Own: the renter calls and pays.
    /// - Relayed: the caller pays; `signature` is the renter's `OpenFor(job, relayer = caller)`.
    /// - Allowance: the renter calls; `signature` is an EIP-2612 permit good until `validBefore`.
    /// - Authorization: anyone calls; `signature` is the renter's EIP-3009 authorization, whose nonce
    ///   is {RentalSteps-paymentNonce}.
    enum Means {
        Own,
        Relayed,
        Allowance,
        Authorization
    }

    struct Payment {
        Means means;
        uint256 validAfter;
        uint256 validBefore;
        bytes signature;
    }

    event Opened(
        bytes32 indexed job,
        address indexed renter,
        address indexed provider,
        address token,
        uint128 amount,
        uint48 end
    );
    event ToppedUp(bytes32 indexed job, uint128 amount, uint48 end);
    /// @dev A top-up's permit was of another epoch or key than the one before.
    event Recleared(bytes32 indexed job, uint64 epoch, uint16 key);
    event Settled(bytes32 indexed job, uint128 amount);
    event Closed(bytes32 indexed job, uint128 toProvider, uint128 toRenter);
    /// @dev `revokedAt`: from when on nothing is paid; 0: EAS could not be read.
    event Held(bytes32 indexed job, uint64 revokedAt);
    event Resumed(bytes32 indexed job);
    event Sanctioned(bytes32 indexed job);
    event Licensed(bytes32 indexed job, bytes32 licence);
    event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);
    event Frozen(address indexed token, address indexed account, uint256 amount);
    event Thawed(
        address indexed token, address indexed account, uint256 amount, bytes32 licence
    );

    error JobUsed();
    error JobState();
    error RentalEnded();
    error NotRenter();
    error NotParty();
    error NotCompliance();
    error NotLicensor();
    error RelaySignature();
    error DurationInvalid();
    error AmountInvalid();
    error DepositShort();
    error NotRevoked();
    error HoldRunning();
    error LicenceMissing();
    error NothingToWithdraw();
    error TransferFailed();
    error StepsMissing();
}
