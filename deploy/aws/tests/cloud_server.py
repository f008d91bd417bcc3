"""moto's server with what it lacks of this stack.

Wait conditions, which count as signalled at once (what user data really sends
is shown by boot.py), the tie between address and interface (made, not looked at),
and the deletion of route tables with their stack. Run as
`python cloud_server.py PORT`.
"""

import sys

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.server import main

SIGNAL_URL = "https://cloudformation-waitcondition-test.s3.amazonaws.com/signal?X-Amz-Signature=a%2Fb&Expires=1"
DATA = '{"setup":"said by the machine when it was ready"}'


def known(kind, physical_id):
    """A type of resource that is there as soon as it is asked for."""

    class Known(CloudFormationModel):
        # moto reads the service from here.
        __module__ = "moto.cloudformation.models"

        physical_resource_id = physical_id

        @staticmethod
        def cloudformation_name_type():
            return ""

        @staticmethod
        def cloudformation_type():
            return kind

        @classmethod
        def has_cfn_attr(cls, attr):
            return attr == "Data"

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
            return cls()

        @classmethod
        def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
            """Nothing is kept."""

        def get_cfn_attribute(self, attribute_name):
            return DATA

    return Known


LACKING = [
    known("AWS::CloudFormation::WaitConditionHandle", SIGNAL_URL),
    known("AWS::CloudFormation::WaitCondition", "ready"),
    known("AWS::EC2::EIPAssociation", "eipassoc-0123456789abcdef0"),
]
for kind in LACKING:
    if kind.cloudformation_type() in parsing.NULL_MODELS:
        parsing.NULL_MODELS.remove(kind.cloudformation_type())


def delete_route_table(table, account_id, region_name):
    """Frees the subnets of the table and deletes it."""
    for association in list(table.associations):
        table.ec2_backend.disassociate_route_table(association)
    ec2_backends[account_id][region_name].delete_route_table(table.id)


RouteTable.delete = delete_route_table

if __name__ == "__main__":
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
