#pragma once

// All of parley but <parley/tls.hpp>, which needs OpenSSL and is included by name.

#include <parley/dial.hpp>
#include <parley/error.hpp>
#include <parley/listener.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/printable.hpp>
#include <parley/protocols.hpp>
#include <parley/run_spinning.hpp>
#include <parley/utf8.hpp>
#include <parley/version.hpp>
