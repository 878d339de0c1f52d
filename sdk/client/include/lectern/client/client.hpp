// Everything of the client library.
#pragma once

#include "lectern/client/change.hpp"
#include "lectern/client/json.hpp"
#include "lectern/client/notebook.hpp"
#include "lectern/client/result.hpp"
#include "lectern/client/session.hpp"
