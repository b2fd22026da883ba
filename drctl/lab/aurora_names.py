"""What RDS takes for a name, a user and a password of a database.

Of the rules around one method the last installed is asked first.
"""

from __future__ import annotations

import re
from typing import Any

from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse

from drctl.lab.aurora_states import check, fault

#: Words that Aurora PostgreSQL keeps for itself (issue trackers of AWS SaaS Boost, AWS CDK and cfn-lint name them).
RESERVED_DATABASES = frozenset({"admin", "db", "rdsadmin", "template0", "template1"})
RESERVED_USERS = frozenset({"admin", "rdsadmin", "rdsrepladmin", "rdstopmgr", "rds_superuser"})
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_USER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,15}")
_GROUP = re.compile(r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{0,254}(?<!-)")
_SUBNET_GROUP = re.compile(r"[a-zA-Z][a-zA-Z0-9._ -]{0,254}")


@check("cluster-identifier", RDSBackend, "create_db_cluster")
def a_cluster_identifier_keeps_the_rules(self: RDSBackend, kwargs: Any) -> None:
    """1 to 63 letters, digits and hyphens, a letter first, no two hyphens together, none at the end.

    Refuses with InvalidParameterValue.
    Source: RDS API Reference, CreateDBCluster, DBClusterIdentifier
    """
    self._validate_db_identifier(kwargs["db_cluster_identifier"])


@check("group-names", RDSResponse, "create_db_cluster_parameter_group", "create_db_parameter_group",
       "create_db_subnet_group")
def a_group_name_keeps_the_rules(self: RDSResponse) -> None:
    """Parameter groups: up to 255 letters, digits, single hyphens, a letter first; subnet groups may have more signs.

    Refuses others, and a subnet group called default, with InvalidParameterValue.
    Source: RDS API Reference, CreateDBParameterGroup; CreateDBSubnetGroup
    """
    subnets = self.params.get("DBSubnetGroupName")
    name = subnets or self.params.get("DBClusterParameterGroupName") or self.params.get("DBParameterGroupName") or ""
    if not (_SUBNET_GROUP if subnets else _GROUP).fullmatch(name) or (subnets and name.lower() == "default"):
        raise fault("InvalidParameterValue", f"The parameter {'DBSubnetGroupName' if subnets else 'DBParameterGroup'}"
                    f"Name is not a valid identifier: {name}")


@check("database-name", RDSBackend, "create_db_cluster")
def a_database_name_is_not_reserved(_: RDSBackend, kwargs: Any) -> None:
    """The first database is called by up to 63 letters, digits and underscores, and not as the engine's own.

    Refuses with InvalidParameterValue.
    Source: Aurora User Guide, Naming constraints in Amazon Aurora; RDS API Reference, CreateDBCluster, DatabaseName
    """
    name = kwargs.get("database_name")
    if name and name.lower() in RESERVED_DATABASES:
        raise fault("InvalidParameterValue", f"DatabaseName {name} cannot be used. It is a reserved word for this "
                    "engine")
    if name and not _DATABASE.fullmatch(name):
        raise fault("InvalidParameterValue", "DatabaseName must begin with a letter and contain only alphanumeric "
                    "characters.")


@check("master-username", RDSBackend, "create_db_cluster")
def a_master_user_is_not_reserved(_: RDSBackend, kwargs: Any) -> None:
    """The master user is called by up to 16 letters, digits and underscores, a letter first, and not admin.

    Refuses with InvalidParameterValue; names that begin with pg_ are PostgreSQL's own.
    Source: RDS API Reference, CreateDBCluster, MasterUsername; AWS CDK issue 10579; cfn-lint pull request 4425
    """
    name = kwargs.get("master_username")
    if not name:
        return
    if name.lower() in RESERVED_USERS:
        raise fault("InvalidParameterValue",
                    f"MasterUsername {name} cannot be used as it is a reserved word used by the engine")
    if name.lower().startswith("pg_"):
        raise fault("InvalidParameterValue", f"MasterUsername {name} cannot be used because role names starting with "
                    '"pg_" are reserved by the PostgreSQL engine')
    if not _USER.fullmatch(name):
        raise fault("InvalidParameterValue", "The parameter MasterUsername is not a valid identifier.")


@check("master-password", RDSBackend, "create_db_cluster", "modify_db_cluster")
def a_master_password_keeps_the_rules(_: RDSBackend, kwargs: Any) -> None:
    """8 to 41 printable ASCII characters, without slash, quote, at sign and space.

    Refuses with InvalidParameterValue.
    Source: RDS API Reference, CreateDBCluster, MasterUserPassword; Terraform provider pull request 38394
    """
    password = kwargs.get("master_user_password")
    if not password:
        return
    if not 8 <= len(password) <= 41:
        raise fault("InvalidParameterValue", "The parameter MasterUserPassword is not a valid password because it is "
                    f"{'shorter than 8' if len(password) < 8 else 'longer than 41'} characters.")
    if any(not "!" <= sign <= "~" or sign in "/@\"" for sign in password):
        raise fault("InvalidParameterValue", "The parameter MasterUserPassword is not a valid password. Only printable "
                    "ASCII characters besides '/', '@', '\"', ' ' may be used.")
